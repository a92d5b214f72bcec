"""Networks that style an image in one pass: `stylizer(images) -> images`, and what keeps a video steady."""

from jaxvision.stylizers.decoder import AdaINDecoder, adain_decoder, adain_stylize, decode, encode
from jaxvision.stylizers.layers import InstanceNorm, double, instance_norm, reflect_conv, reflect_pad
from jaxvision.stylizers.steady import Steady, flicker, next_frame, no_frame
from jaxvision.stylizers.transformer import TransformerNet, transformer_net

__all__ = [
    "AdaINDecoder",
    "InstanceNorm",
    "Steady",
    "TransformerNet",
    "adain_decoder",
    "adain_stylize",
    "decode",
    "double",
    "encode",
    "flicker",
    "instance_norm",
    "next_frame",
    "no_frame",
    "reflect_conv",
    "reflect_pad",
    "transformer_net",
]
