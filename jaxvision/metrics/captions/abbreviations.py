"""Words that keep their full stop, and words that are two. Strings are alternatives of a regular expression."""

EVERYWHERE = (
    "adj|adm|adv|al|ala|alex|apr|ariz|assn|assoc|asst|attys?|aug|ave|bancorp|bhd|bldg|blvd|brig|bros|calif|capt|cf|"
    "cie|cmdr|comdr|col|colo|conn|corp|cos?|cpl|ct|dak|dec|dept|det|drs?|elec|ens|esq|est|etc|ext|feb|fla|fri|ft|"
    "ga|gen|govs?|hon|inc|ind|insp|intl|invt|jan|jos|jr|jul|jun|kans?|ky|lieut|lt|ltd|maj|mar|md|messrs|mfg|mich|"
    "minn|mlle|mme|mo|mon|mont|mr|mrs|ms|msgr|mt|mtg|natl|neb|nev|nov|oct|okla|penn|pfc|ph|plc|ppte|ppty|pres|"
    "profs?|ptes?|ptys?|pvt|rd|reps?|rev|rt|sen|sens|sep|sept|seq|sfc|sgt|spc|sq|sr|ste?|supts?|sys|tel|tenn|thu|"
    "thurs|treas|tues?|univ|va|vs|vt|wed|wisc?|wm|wyo"
)
"""Abbreviations, whatever their case."""

CAPITALIZED = "Ark|Az|Del|Ill|La|Mass|Miss|Ore|Pa|Tex|Wash"
"""States whose abbreviations are words otherwise."""

BEFORE_NUMBERS = "art|ca|figs?|nos?|op|pp|prop"
"""Abbreviations only where a number follows."""

SENTENCE_STARTS = (
    "A|About|According|Additionally|After|An|As|At|But|He|Her|Here|However|If|In|It|Last|Many|More|Now|One|Other|"
    "Our|She|Since|So|Some|Such|That|The|Their|Then|There|These|They|This|We|What|When|While|Yet|You"
)
"""Words before which a single letter with a full stop ends a sentence and is no initial."""

FILE_ENDINGS = (
    "bat|bmp|c|cgi|class|cpp|dll|docx?|exe|gif|gz|h|html?|jar|java|jpe?g|mov|mp3|pdf|php|pl|png|ppt|ps|py|sql|tar|"
    "txt|wav|x|xml|zip"
)
"""Endings of file names."""

TWO_WORDS = {
    "cannot": ("can", "not"),
    "gimme": ("gim", "me"),
    "gonna": ("gon", "na"),
    "gotta": ("got", "ta"),
    "lemme": ("lem", "me"),
    "wanna": ("wan", "na"),
}
"""Words that are written together and counted apart."""
