"""The assignment's own names and conventions, each a line or two onto the library.

For those who come from Stanford's CS231n, assignment 3. Images are floats `(N, H, W, 3)`, normalised with ImageNet's
mean and deviation (`pixels.normalize`); one image is a batch of one. A network is a function from images to logits:

    logits_fn = backbones.logits_fn(backbones.squeezenet1_1(weights="imagenet"))

Recurrent layers are pure functions without caches, for `jax.grad` to differentiate; with caches and derivatives by
hand they are in `numpy_reference`.
"""

from jaxvision.cs231n.captioning import (
    caption_sample,
    captioning_loss,
    lstm_forward,
    lstm_step_forward,
    rnn_forward,
    rnn_step_forward,
    temporal_affine_forward,
    temporal_softmax_loss,
    word_embedding_forward,
)
from jaxvision.cs231n.gan import (
    dc_discriminator,
    dc_generator,
    discriminator,
    discriminator_loss,
    generator,
    generator_loss,
    leaky_relu,
    ls_discriminator_loss,
    ls_generator_loss,
    sample_noise,
    wgangp_discriminator_loss,
    wgangp_generator_loss,
)
from jaxvision.cs231n.looking import compute_saliency_maps, create_class_visualization, make_fooling_image
from jaxvision.cs231n.style import content_loss, extract_features, gram_matrix, style_loss, style_transfer, tv_loss

__all__ = [
    "caption_sample",
    "captioning_loss",
    "compute_saliency_maps",
    "content_loss",
    "create_class_visualization",
    "dc_discriminator",
    "dc_generator",
    "discriminator",
    "discriminator_loss",
    "extract_features",
    "generator",
    "generator_loss",
    "gram_matrix",
    "leaky_relu",
    "ls_discriminator_loss",
    "ls_generator_loss",
    "lstm_forward",
    "lstm_step_forward",
    "make_fooling_image",
    "rnn_forward",
    "rnn_step_forward",
    "sample_noise",
    "style_loss",
    "style_transfer",
    "temporal_affine_forward",
    "temporal_softmax_loss",
    "tv_loss",
    "wgangp_discriminator_loss",
    "wgangp_generator_loss",
    "word_embedding_forward",
]
