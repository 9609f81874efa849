#!/usr/bin/env python3
"""Writes the networks of Inputs/: PyTorch modules as its two exporters write them, and beside each
NAME.safetensors with images and the logits that PyTorch computes for them.

  make_models.py OUTPUT_FOLDER        needs torch, onnx, onnxscript

What exporters note about the machine they ran on is taken out.
"""
import json
import pathlib
import struct
import sys

import onnx
import torch
import torch.nn.functional as F
from torch import nn


class LowRank(nn.Module):
    """Two linears, the first without a bias."""

    def __init__(self, inputs, outputs, rank):
        super().__init__()
        self.down = nn.Linear(inputs, rank, bias=False)
        self.up = nn.Linear(rank, outputs)

    def forward(self, x):
        return self.up(self.down(x))


class LowRankByHand(nn.Module):
    """Products with weights of shape (in, out)."""

    def __init__(self, inputs, outputs, rank):
        super().__init__()
        self.u = nn.Parameter(torch.randn(inputs, rank) * 0.3)
        self.v = nn.Parameter(torch.randn(rank, outputs) * 0.3)
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, x):
        return x @ self.u @ self.v + self.bias


class Monarch(nn.Module):
    """Two einsums over blocks, padded where blocks do not divide the sizes."""

    def __init__(self, inputs, outputs, blocks):
        super().__init__()
        self.inputs, self.outputs = inputs, outputs
        p, s = -(-inputs // blocks), -(-outputs // blocks)
        q = min(p, s)
        self.blkdiag1 = nn.Parameter(torch.randn(blocks, q, p) * 0.3)
        self.blkdiag2 = nn.Parameter(torch.randn(blocks, s, q) * 0.3)
        self.bias = nn.Parameter(torch.randn(outputs))

    def padded(self, x):
        blocks, _, p = self.blkdiag1.shape
        return F.pad(x, (0, blocks * p - self.inputs)).reshape(*x.shape[:-1], blocks, p)

    def forward(self, x):
        blocks, q, _ = self.blkdiag1.shape
        rows = "bt"[: x.dim() - 1]
        h = torch.einsum(f"{rows}kp,kqp->{rows}kq", self.padded(x), self.blkdiag1)
        h = h.reshape(*x.shape[:-1], q, blocks).transpose(-1, -2)
        y = torch.einsum(f"{rows}lr,lsr->{rows}ls", h, self.blkdiag2)
        return y.transpose(-1, -2).reshape(*x.shape[:-1], -1)[..., : self.outputs] + self.bias


class MonarchByBmm(Monarch):
    """The same by batched products."""

    def forward(self, x):
        blocks, q, _ = self.blkdiag1.shape
        h = torch.bmm(self.padded(x).transpose(0, 1), self.blkdiag1.transpose(1, 2))
        h = h.transpose(0, 1).reshape(x.shape[0], q, blocks).permute(2, 0, 1)
        y = torch.bmm(h, self.blkdiag2.transpose(1, 2))
        return y.permute(1, 2, 0).reshape(x.shape[0], -1)[:, : self.outputs] + self.bias


class Attention(nn.Module):
    def __init__(self, features, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(features, 3 * features)
        self.proj = Monarch(features, features, 4)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(x).reshape(b, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, d))


class Transformer(nn.Module):
    """One block on patches, with a class token."""

    def __init__(self, features=16, heads=2):
        super().__init__()
        self.patch = nn.Conv2d(1, features, 2, 2)
        self.token = nn.Parameter(torch.randn(1, 1, features))
        self.positions = nn.Parameter(torch.randn(1, 10, features))
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(features) for _ in range(3))
        self.attention = Attention(features, heads)
        self.fc1, self.fc2 = Monarch(features, 30, 4), Monarch(30, features, 4)
        self.head = nn.Linear(features, 5)
        for norm in (self.norm1, self.norm2, self.norm3):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.positions
        x = x + self.attention(self.norm1(x))
        x = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return self.head(self.norm3(x)[:, 0])


def models():
    torch.manual_seed(0)
    yield "low_rank", nn.Sequential(
        nn.Flatten(), LowRank(36, 24, 4), nn.ReLU(), LowRankByHand(24, 20, 3), nn.GELU(),
        nn.Linear(20, 5))
    yield "monarch", nn.Sequential(
        nn.Flatten(), Monarch(36, 22, 4), nn.GELU(approximate="tanh"), MonarchByBmm(22, 24, 4),
        nn.ReLU(), nn.Linear(24, 5))
    yield "transformer", Transformer()


def export(model, images, path, dynamo):
    if dynamo:
        torch.onnx.export(model, (images,), path, dynamo=True, external_data=False,
                          dynamic_shapes=({0: torch.export.Dim("batch")},))
    else:
        torch.onnx.export(model, (images,), path, dynamo=False, opset_version=17,
                          input_names=["x"], output_names=["y"],
                          dynamic_axes={"x": {0: "batch"}, "y": {0: "batch"}})
    proto = onnx.load(path)
    del proto.metadata_props[:]
    del proto.graph.metadata_props[:], proto.graph.value_info[:]
    for port in [*proto.graph.input, *proto.graph.output]:
        del port.metadata_props[:]
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.save(proto, path)


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.detach().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    folder = pathlib.Path(sys.argv[1])
    for name, model in models():
        model.eval()
        images = torch.randn(8, 1, 6, 6)
        for exporter, dynamo in (("torchscript", False), ("dynamo", True)):
            export(model, images, folder / f"{name}_{exporter}.onnx", dynamo)
        write_safetensors(folder / f"{name}.safetensors", {"images": images, "logits": model(images)})


if __name__ == "__main__":
    main()
