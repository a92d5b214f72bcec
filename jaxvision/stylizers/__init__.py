
from jaxvision.stylizers.decoder import AdaINDecoder, adain_decoder, adain_stylize, decode, encode
from jaxvision.stylizers.layers import InstanceNorm, double, instance_norm, reflect_conv, reflect_pad
from jaxvision.stylizers.transformer import TransformerNet, transformer_net

__all__ = [
    "AdaINDecoder",
    "InstanceNorm",
    "TransformerNet",
    "adain_decoder",
    "adain_stylize",
    "decode",
    "double",
    "encode",
    "instance_norm",
    "reflect_conv",
    "reflect_pad",
    "transformer_net",
]
