#!/usr/bin/env python3
"""The network of a spec in JAX, jit of a whole step. `jax_peer.py --help` tells how; bench/run calls it.

Parameters are a flat dictionary of name to array; XLA takes as many threads as the process has cores.
"""
import json
import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax  # noqa: E402  (after the platform is chosen)
import jax.numpy as jnp  # noqa: E402

import measure  # noqa: E402
import resolve  # noqa: E402


class Parameters:
    """Makes the arrays of every operation, by name."""

    def __init__(self):
        self.key, self.arrays = jax.random.PRNGKey(0), {}

    def uniform(self, name, *shape, fan=None):
        self.key, key = jax.random.split(self.key)
        bound = (fan or shape[-1]) ** -0.5
        self.arrays[name] = jax.random.uniform(key, shape, jnp.float32, -bound, bound)

    def truncated(self, name, *shape):
        self.key, key = jax.random.split(self.key)
        self.arrays[name] = 0.02 * jax.random.truncated_normal(key, -2, 2, shape, jnp.float32)

    def linear(self, linear):
        name, inputs, outputs, fan = linear.name, linear.inputs, linear.outputs, linear.inputs
        if linear.kind == "monarch":
            p, s = -(-inputs // linear.blocks), -(-outputs // linear.blocks)
            self.uniform(f"{name}.blkdiag1", linear.blocks, min(p, s), p)
            self.uniform(f"{name}.blkdiag2", linear.blocks, s, min(p, s))
        elif linear.kind == "low_rank":
            self.uniform(f"{name}.down.weight", linear.rank, inputs)
            self.uniform(f"{name}.up.weight", outputs, linear.rank)
            fan = linear.rank
        else:
            self.uniform(f"{name}.weight", outputs, inputs)
        if linear.bias:
            self.uniform(f"{name}.bias", outputs, fan=fan)

    def layer_norm(self, op):
        self.arrays[f"{op.name}.weight"] = jnp.ones(op.dim)
        self.arrays[f"{op.name}.bias"] = jnp.zeros(op.dim)

    def patch_embed(self, op):
        inputs = op.channels * op.patch * op.patch
        self.uniform(f"{op.name}.weight", op.dim, inputs)
        self.uniform(f"{op.name}.bias", op.dim, fan=inputs)

    def add(self, ops):
        for op in ops:
            if op.kind == "residual":
                self.add(op.ops)
            elif op.kind == "linear":
                self.linear(op.linear)
            elif op.kind == "attention":
                for part in (op.q, op.k, op.v, op.proj):
                    self.linear(part)
            elif op.kind == "mlp":
                self.linear(op.fc1)
                self.linear(op.fc2)
            elif op.kind == "class_token":
                self.truncated(op.name, 1, op.dim)
            elif op.kind == "position_embedding":
                self.truncated(op.name, *op.shape)
            elif op.kind in ("layer_norm", "patch_embed"):
                getattr(self, op.kind)(op)
        return self


def monarch(p, linear, x):
    name, blocks, lead = linear.name, linear.blocks, x.shape[:-1]
    first, second = p[f"{name}.blkdiag1"], p[f"{name}.blkdiag2"]
    x = x.reshape(-1, linear.inputs)
    x = jnp.pad(x, ((0, 0), (0, blocks * first.shape[2] - linear.inputs)))
    rows, q = x.shape[0], first.shape[1]
    h = jnp.einsum("rbi,boi->rbo", x.reshape(rows, blocks, -1), first)
    h = h.reshape(rows, q, blocks).transpose(0, 2, 1)  # the permutation between the factors
    y = jnp.einsum("rbi,boi->rob", h, second).reshape(rows, -1)[:, :linear.outputs]
    return y.reshape(*lead, linear.outputs)


def apply_linear(p, linear, x):
    name = linear.name
    if linear.kind == "monarch":
        y = monarch(p, linear, x)
    elif linear.kind == "low_rank":
        y = (x @ p[f"{name}.down.weight"].T) @ p[f"{name}.up.weight"].T
    else:
        y = x @ p[f"{name}.weight"].T
    return y + p[f"{name}.bias"] if linear.bias else y


FUNCTIONS = {
    "relu": jax.nn.relu,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    None: lambda x: x,
}


def layer_norm(p, op, x):
    wide = x.astype(jnp.float32)
    mean = wide.mean(-1, keepdims=True)
    centred = wide - mean
    scaled = centred * jax.lax.rsqrt((centred * centred).mean(-1, keepdims=True) + op.eps)
    return (scaled * p[f"{op.name}.weight"] + p[f"{op.name}.bias"]).astype(x.dtype)


def attention(p, op, x):
    batch, tokens, dim = x.shape
    q, k, v = (apply_linear(p, part, x).reshape(batch, tokens, op.heads, -1) for part in (op.q, op.k, op.v))
    mixed = jax.nn.dot_product_attention(q, k, v)
    return apply_linear(p, op.proj, mixed.reshape(batch, tokens, dim))


def mlp(p, op, x):
    x = x.swapaxes(1, 2) if op.over_tokens else x
    x = apply_linear(p, op.fc2, FUNCTIONS[op.function](apply_linear(p, op.fc1, x)))
    return x.swapaxes(1, 2) if op.over_tokens else x


def patch_embed(p, op, x):
    batch, channels, height, width = x.shape
    down, across = height // op.patch, width // op.patch
    x = x.reshape(batch, channels, down, op.patch, across, op.patch).transpose(0, 2, 4, 1, 3, 5)
    return x.reshape(batch, down * across, -1) @ p[f"{op.name}.weight"].T + p[f"{op.name}.bias"]


def class_token(p, op, x):
    return jnp.concatenate([jnp.broadcast_to(p[op.name], (x.shape[0], 1, op.dim)), x], 1)


APPLY = {
    "flatten": lambda p, op, x: x.reshape(x.shape[0], -1),
    "linear": lambda p, op, x: apply_linear(p, op.linear, x),
    "activation": lambda p, op, x: FUNCTIONS[op.function](x),
    "layer_norm": layer_norm,
    "patch_embed": patch_embed,
    "class_token": class_token,
    "position_embedding": lambda p, op, x: x + p[op.name],
    "attention": attention,
    "mlp": mlp,
    "residual": lambda p, op, x: x + apply_all(p, op.ops, x),
    "select_token": lambda p, op, x: x[:, op.index],
    "mean_tokens": lambda p, op, x: x.mean(1),
}


def apply_all(p, ops, x):
    for op in ops:
        x = APPLY[op.kind](p, op, x)
    return x


def narrowed(tree, bf16):
    """What the products take: bfloat16 copies, where it is asked for."""
    return jax.tree_util.tree_map(lambda a: a.astype(jnp.bfloat16), tree) if bf16 else tree


def loss_of(network, bf16):
    def loss(p, x, labels):
        logits = apply_all(narrowed(p, bf16), network.ops, narrowed(x, bf16)).astype(jnp.float32)
        smoothing = network.smoothing
        wanted = (1 - smoothing) * jax.nn.one_hot(labels, network.classes) + smoothing / network.classes
        return -(wanted * jax.nn.log_softmax(logits)).sum(-1).mean()
    return loss


def clipped(gradients, limit):
    if not limit:
        return gradients
    norm = jnp.sqrt(sum((g * g).sum() for g in gradients.values()))
    scale = jnp.minimum(1.0, limit / (norm + 1e-6))
    return {name: scale * g for name, g in gradients.items()}


def updated(settings, p, m, v, g, name, step):
    """One parameter by sgd, adam or adamw: (parameter, m, v)."""
    lr = settings["lr"]
    decay = settings["weight_decay"] if resolve.decays(name, p.ndim) else 0.0
    if settings["type"] != "adamw":
        g = g + decay * p
    if settings["type"] == "sgd":
        m = settings["momentum"] * m + g
        return p - lr * m, m, v
    first, second = settings["betas"]
    m, v = first * m + (1 - first) * g, second * v + (1 - second) * g * g
    direction = (m / (1 - first ** step)) / (jnp.sqrt(v / (1 - second ** step)) + settings["eps"])
    if settings["type"] == "adamw":
        p = p * (1 - lr * decay)
    return p - lr * direction, m, v


def network_step(network, arrays, batch, arguments):
    """Inference, or a whole training step whose state is donated to its successor."""
    key = jax.random.PRNGKey(1)
    x = jax.random.uniform(key, (batch, *network.input_shape))
    labels = jax.random.randint(key, (batch,), 0, network.classes)
    if arguments.forward:
        infer = jax.jit(lambda p, x: apply_all(narrowed(p, arguments.bf16), network.ops, narrowed(x, arguments.bf16)))
        return lambda: infer(arrays, x).block_until_ready()
    gradient = jax.value_and_grad(loss_of(network, arguments.bf16))

    def train(p, m, v, step, x, labels):
        loss, g = gradient(p, x, labels)
        g = clipped(g, network.clip)
        new = {name: updated(network.optimizer, p[name], m[name], v[name], g[name], name, step) for name in p}
        return *({name: each[part] for name, each in new.items()} for part in range(3)), step + 1, loss

    compiled = jax.jit(train, donate_argnums=(0, 1, 2, 3))
    zeros = {name: jnp.zeros_like(a) for name, a in arrays.items()}
    state = [arrays, zeros, {name: jnp.zeros_like(a) for name, a in arrays.items()}, jnp.float32(1)]

    def step():
        *state[:], loss = compiled(*state, x, labels)
        jax.block_until_ready((state, loss))

    return step


def layer_step(linear, arrays, rows, arguments):
    """The forward pass of one layer, or it and its gradients with respect to input, weights and bias."""
    x = jax.random.uniform(jax.random.PRNGKey(1), (rows, linear.inputs))
    gradient = jax.random.uniform(jax.random.PRNGKey(2), (rows, linear.outputs))

    def forward(p, x):
        return apply_linear(narrowed(p, arguments.bf16), linear, narrowed(x, arguments.bf16))

    def both(p, x, gradient):
        y, back = jax.vjp(forward, p, x)
        return y, back(gradient.astype(y.dtype))

    if arguments.forward:
        one = jax.jit(forward)
        return lambda: one(arrays, x).block_until_ready()
    two = jax.jit(both)
    return lambda: jax.block_until_ready(two(arrays, x, gradient))


def main():
    arguments = measure.parse("JAX")
    if arguments.probe:
        print(json.dumps({"name": "JAX", "version": jax.__version__, "compiles": False}))
        return
    spec, batch = measure.load(arguments)
    network, parameters = resolve.Network(spec), Parameters()
    if arguments.layer:
        linear = network.only_linear()
        parameters.linear(linear)
        count = sum(a.size for a in parameters.arrays.values())
        step = layer_step(linear, parameters.arrays, network.layer_rows(batch), arguments)
    else:
        arrays = parameters.add(network.ops).arrays
        count = sum(a.size for a in arrays.values())
        step = network_step(network, arrays, batch, arguments)
    times = measure.run(step, arguments.seconds)
    measure.answer(times, params=count, name="JAX", version=jax.__version__)


if __name__ == "__main__":
    main()
