#!/usr/bin/env python3
"""The network of a spec in PyTorch, timed beside Danaus. `torch_peer.py --help` tells how; bench/run calls it."""
import json

import torch
import torch.nn.functional as F
from torch import nn

import measure
import resolve


def uniform(*shape, fan=None):
    bound = (fan or shape[-1]) ** -0.5
    return nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))


def truncated(*shape):
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(*shape), std=0.02, a=-0.04, b=0.04))


class Monarch(nn.Module):
    """Two block-diagonal factors as two bmm with the permutation between; weights (block, out, in)."""

    def __init__(self, linear):
        super().__init__()
        self.inputs, self.outputs, self.blocks = linear.inputs, linear.outputs, linear.blocks
        self.p, self.s = -(-linear.inputs // linear.blocks), -(-linear.outputs // linear.blocks)
        self.q = min(self.p, self.s)
        self.blkdiag1 = uniform(self.blocks, self.q, self.p)
        self.blkdiag2 = uniform(self.blocks, self.s, self.q)
        self.bias = uniform(self.outputs) if linear.bias else None

    def forward(self, x):
        lead, blocks = x.shape[:-1], self.blocks
        x = x.reshape(-1, self.inputs)
        if blocks * self.p != self.inputs:
            x = F.pad(x, (0, blocks * self.p - self.inputs))
        rows = x.shape[0]
        h = torch.bmm(x.view(rows, blocks, self.p).transpose(0, 1), self.blkdiag1.transpose(1, 2))
        h = h.transpose(0, 1).reshape(rows, self.q, blocks).permute(2, 0, 1)
        y = torch.bmm(h, self.blkdiag2.transpose(1, 2)).permute(1, 2, 0).reshape(rows, blocks * self.s)
        y = y[:, :self.outputs] if blocks * self.s != self.outputs else y
        return (y if self.bias is None else y + self.bias).reshape(*lead, self.outputs)


class LowRank(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.down = nn.Linear(linear.inputs, linear.rank, bias=False)
        self.up = nn.Linear(linear.rank, linear.outputs, bias=False)
        self.bias = uniform(linear.outputs, fan=linear.rank) if linear.bias else None

    def forward(self, x):
        return F.linear(self.down(x), self.up.weight, self.bias)


def linear_of(linear):
    if linear.kind == "monarch":
        return Monarch(linear)
    if linear.kind == "low_rank":
        return LowRank(linear)
    return nn.Linear(linear.inputs, linear.outputs, linear.bias)


def gelu_tanh(x):
    return F.gelu(x, approximate="tanh")


ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu, "gelu_tanh": gelu_tanh, None: lambda x: x}


class Activation(nn.Module):
    def __init__(self, op):
        super().__init__()
        self.function = ACTIVATIONS[op.function]

    def forward(self, x):
        return self.function(x)


class Attention(nn.Module):
    def __init__(self, op):
        super().__init__()
        self.heads = op.heads
        self.q, self.k, self.v, self.proj = (linear_of(part) for part in (op.q, op.k, op.v, op.proj))

    def forward(self, x):
        batch, tokens, dim = x.shape
        head = dim // self.heads
        q, k, v = (part(x).view(batch, tokens, self.heads, head).transpose(1, 2) for part in (self.q, self.k, self.v))
        if hasattr(F, "scaled_dot_product_attention"):
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = torch.softmax(q @ k.transpose(-1, -2) * head ** -0.5, -1) @ v
        return self.proj(mixed.transpose(1, 2).reshape(batch, tokens, dim))


class Mlp(nn.Module):
    def __init__(self, op):
        super().__init__()
        self.over_tokens, self.function = op.over_tokens, ACTIVATIONS[op.function]
        self.fc1, self.fc2 = linear_of(op.fc1), linear_of(op.fc2)

    def forward(self, x):
        x = x.transpose(1, 2) if self.over_tokens else x
        x = self.fc2(self.function(self.fc1(x)))
        return x.transpose(1, 2) if self.over_tokens else x


class PatchEmbed(nn.Module):
    def __init__(self, op):
        super().__init__()
        self.proj = nn.Conv2d(op.channels, op.dim, op.patch, op.patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class ClassToken(nn.Module):
    def __init__(self, op):
        super().__init__()
        self.class_token = truncated(1, op.dim)

    def forward(self, x):
        return torch.cat([self.class_token.expand(x.shape[0], 1, -1), x], 1)


class Positions(nn.Module):
    def __init__(self, op):
        super().__init__()
        self.position_embedding = truncated(*op.shape)

    def forward(self, x):
        return x + self.position_embedding


class Residual(nn.Module):
    def __init__(self, op):
        super().__init__()
        self.inner = sequence(op.ops)

    def forward(self, x):
        return x + self.inner(x)


class Token(nn.Module):
    def __init__(self, op):
        super().__init__()
        self.index = op.index

    def forward(self, x):
        return x[:, self.index]


class MeanTokens(nn.Module):
    def forward(self, x):
        return x.mean(1)


MODULES = {
    "flatten": lambda op: nn.Flatten(),
    "linear": lambda op: linear_of(op.linear),
    "activation": Activation,
    "layer_norm": lambda op: nn.LayerNorm(op.dim, eps=op.eps),
    "patch_embed": PatchEmbed,
    "class_token": ClassToken,
    "position_embedding": Positions,
    "attention": Attention,
    "mlp": Mlp,
    "residual": Residual,
    "select_token": Token,
    "mean_tokens": lambda op: MeanTokens(),
}


def sequence(ops):
    return nn.Sequential(*(MODULES[op.kind](op) for op in ops))


def optimizer_of(settings, net):
    """The fused form where this PyTorch has it for the CPU: its fastest."""
    named = list(net.named_parameters())
    groups = [{"params": [p for name, p in named if resolve.decays(name, p.dim()) == decayed],
               "weight_decay": settings["weight_decay"] if decayed else 0.0} for decayed in (True, False)]
    groups = [group for group in groups if group["params"]]
    if settings["type"] == "sgd":
        kind, more = torch.optim.SGD, {"momentum": settings["momentum"]}
    else:
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[settings["type"]]
        more = {"betas": tuple(settings["betas"]), "eps": settings["eps"]}
    try:
        probe = nn.Parameter(torch.zeros(1))
        probe.grad = torch.zeros(1)
        kind([probe], lr=settings["lr"], fused=True, **more).step()
        more["fused"] = True
    except (RuntimeError, TypeError):
        pass
    return kind(groups, lr=settings["lr"], **more)


def layer_step(module, inputs, rows, arguments):
    """The forward pass of one layer, or it and its gradients with respect to input, weights and bias."""
    f = torch.compile(module) if arguments.compile else module
    x = torch.rand(rows, inputs, requires_grad=not arguments.forward)
    with torch.no_grad():
        gradient = torch.rand_like(module(x))

    def forward():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
            f(x)

    def both():
        module.zero_grad(set_to_none=True)
        x.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
            y = f(x)
        y.backward(gradient.to(y.dtype))

    return forward if arguments.forward else both


def network_step(net, network, batch, arguments):
    """Inference, or a whole training step: forward, loss, backward, update."""
    f = torch.compile(net) if arguments.compile else net
    x, labels = torch.rand(batch, *network.input_shape), torch.randint(0, network.classes, (batch,))
    optimizer = optimizer_of(network.optimizer, net)

    def forward():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
            f(x)

    def train():
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
            loss = F.cross_entropy(f(x), labels, label_smoothing=network.smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if network.clip:
            nn.utils.clip_grad_norm_(net.parameters(), network.clip)
        optimizer.step()

    return forward if arguments.forward else train


def main():
    arguments = measure.parse("PyTorch")
    if arguments.probe:
        print(json.dumps({"name": "PyTorch", "version": torch.__version__, "compiles": hasattr(torch, "compile")}))
        return
    spec, batch = measure.load(arguments)
    network = resolve.Network(spec)
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    if arguments.layer:
        linear = network.only_linear()
        net = linear_of(linear)
        step = layer_step(net, linear.inputs, network.layer_rows(batch), arguments)
    else:
        net = sequence(network.ops)
        net.train(not arguments.forward)
        step = network_step(net, network, batch, arguments)
    times = measure.run(step, arguments.seconds)
    measure.answer(times, params=sum(p.numel() for p in net.parameters()), name="PyTorch", version=torch.__version__)


if __name__ == "__main__":
    main()
