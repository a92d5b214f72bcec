"""The leaves of a state as a checkpoint has them: by name, typed keys as their words."""

from collections import Counter
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxvision.errors import InputError


def named(tree: Any) -> dict[str, Any]:
    """The leaves of a pytree by their paths."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    names = [jax.tree_util.keystr(path, simple=True, separator="/") or "state" for path, _ in leaves]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"two leaves of the state have the name {twice[0]}: rename one, without a slash in it")
    return {name: leaf for name, (_, leaf) in zip(names, leaves, strict=True)}


def is_key(leaf: Any) -> bool:
    """Whether it is an array of typed keys."""
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _implementation(key: Any) -> Any:
    """The key's generator, "threefry2x32" for one; tracing finds it where the key is only a shape."""
    names = []
    jax.eval_shape(lambda key: names.append(jax.random.key_impl(key)), key)
    return names[0]


def describe(leaf: Any) -> dict[str, Any]:
    """Dtype and shape."""
    dtype = f"key<{_implementation(leaf)}>" if is_key(leaf) else str(leaf.dtype)
    return {"dtype": dtype, "shape": list(leaf.shape)}


def target(leaf: Any) -> jax.ShapeDtypeStruct:
    """What Orbax is to load for a leaf, and onto which devices."""
    raw = jax.eval_shape(jax.random.key_data, leaf) if is_key(leaf) else leaf
    # A key's words have an axis of their own, which a named sharding leaves whole; of others, one device will do.
    own = getattr(leaf, "sharding", None)
    if is_key(leaf) and not isinstance(own, jax.sharding.NamedSharding):
        own = None
    sharding = own or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(raw.shape, raw.dtype, sharding=sharding)


def untarget(leaf: Any, raw: Array | None) -> Array:
    """The leaf, from what Orbax loaded for it."""
    if raw is None:
        return jnp.zeros(leaf.shape, leaf.dtype)
    return jax.random.wrap_key_data(raw, impl=_implementation(leaf)) if is_key(leaf) else raw


def require_match(checkpoint: Path, saved: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Refuses leaves of other names, dtypes or shapes."""

    def words(leaf: dict[str, Any] | None) -> str:
        return "absent" if leaf is None else f"{leaf['dtype']} {tuple(leaf['shape'])}"

    wrong = [name for name in sorted(saved.keys() | wanted.keys()) if saved.get(name) != wanted.get(name)]
    if wrong:
        name, more = wrong[0], f" (and {len(wrong) - 1} more leaves differ)" if len(wrong) > 1 else ""
        raise InputError(
            f"{checkpoint} is of another network or optimiser: {name} is {words(saved.get(name))} there and "
            f"{words(wanted.get(name))} here{more}; resume with the settings that wrote it"
        )
