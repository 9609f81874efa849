"""A spec as the peers build it: a flat list of operations with full names, widths and structures.

What the keys of a spec mean (names of layers, repeat, residual, structure) stands here once, for every
framework. Takes what the models of models/ use; anything else ends with a message.
"""
import fnmatch
import math

ACTIVATIONS = ("relu", "gelu", "gelu_tanh")


class Linear:
    """y = x W^T + b of `inputs` to `outputs` features; kind is dense, low_rank or monarch."""

    def __init__(self, name, inputs, outputs, bias, rule):
        self.name, self.inputs, self.outputs, self.bias = name, inputs, outputs, bias
        self.kind = rule["kind"]
        self.rank, self.blocks = None, None
        if self.kind == "low_rank":
            rank = rule["rank"]
            self.rank = int(rank * min(inputs, outputs)) if isinstance(rank, float) else rank
        elif self.kind == "monarch":
            self.blocks = rule["nblocks"]


class Op:
    """One operation: `kind`, and what that kind needs as attributes."""

    def __init__(self, kind, **attributes):
        self.kind = kind
        self.__dict__.update(attributes)


def label_of(layer):
    if isinstance(layer, str):
        return layer
    if "repeat" in layer:
        return layer.get("name", "repeat")
    kind, arguments = next(iter(layer.items()))
    return arguments.get("name", kind) if isinstance(arguments, dict) else kind


def flat(layers):
    for layer in layers:
        if isinstance(layer, dict) and "residual" in layer:
            yield from flat(layer["residual"])
        else:
            yield layer


class Scope:
    """The layers below one prefix: siblings that share a name get _0, _1, ..."""

    def __init__(self, resolver, layers, prefix):
        self.resolver, self.prefix, self.taken = resolver, prefix, {}
        labels = [label_of(layer) for layer in flat(layers)]
        self.repeated = {label for label in labels if labels.count(label) > 1}

    def name(self, label):
        if label in self.repeated:
            index = self.taken.get(label, 0)
            self.taken[label] = index + 1
            label = f"{label}_{index}"
        return self.prefix + label


class Resolver:
    def __init__(self, spec):
        self.rules = spec.get("structure") or []
        self.shape = list(spec["model"]["input"]["shape"])
        self.ops = self.layers(spec["model"]["layers"], "")

    def linear(self, name, inputs, outputs, bias=True):
        rule = next((r for r in self.rules if fnmatch.fnmatchcase(name, r["match"])), {"kind": "dense"})
        return Linear(name, inputs, outputs, bias, rule)

    def layers(self, layers, prefix):
        scope = Scope(self, layers, prefix)
        return [op for layer in layers for op in self.layer(layer, scope)]

    def layer(self, layer, scope):
        if isinstance(layer, dict) and "residual" in layer:
            return [Op("residual", ops=[op for inner in layer["residual"] for op in self.layer(inner, scope)])]
        if isinstance(layer, dict) and "repeat" in layer:
            return self.repeat(layer, scope.prefix + label_of(layer))
        kind, arguments = (layer, {}) if isinstance(layer, str) else next(iter(layer.items()))
        build = getattr(self, "op_" + ("activation" if kind in ACTIVATIONS else kind), None)
        if not build:
            raise SystemExit(f"peer: the layer '{kind}' is not known here")
        has_name = kind in ("linear", "layer_norm", "patch_embed", "class_token", "position_embedding",
                            "attention", "mlp")
        name = scope.name(label_of(layer)) if has_name else kind
        return build(name, arguments if arguments is not None else {})

    def repeat(self, layer, label):
        ops, inner = [], layer["layers"]
        only = inner[0] if len(inner) == 1 and isinstance(inner[0], dict) else {}
        unnamed = "linear" in only and "name" not in only["linear"]
        for index in range(layer["repeat"]):
            scope = f"{label}.{index}"
            ops += self.op_linear(scope, only["linear"]) if unnamed else self.layers(inner, scope + ".")
        return ops

    def op_activation(self, kind, _):
        return [Op("activation", function=kind)]

    def op_flatten(self, _, __):
        self.shape = [math.prod(self.shape)]
        return [Op("flatten")]

    def op_linear(self, name, arguments):
        linear = self.linear(name, self.shape[-1], arguments["out"], arguments.get("bias", True))
        self.shape = self.shape[:-1] + [arguments["out"]]
        function = arguments.get("activation")
        return [Op("linear", linear=linear)] + ([Op("activation", function=function)] if function else [])

    def op_layer_norm(self, name, arguments):
        return [Op("layer_norm", name=name, dim=self.shape[-1], eps=arguments.get("eps", 1e-6))]

    def op_patch_embed(self, name, arguments):
        channels, height, width = self.shape
        patch, dim = arguments["patch"], arguments["dim"]
        self.shape = [(height // patch) * (width // patch), dim]
        return [Op("patch_embed", name=name, channels=channels, patch=patch, dim=dim)]

    def op_class_token(self, name, _):
        self.shape = [self.shape[0] + 1, self.shape[1]]
        return [Op("class_token", name=name, dim=self.shape[1])]

    def op_position_embedding(self, name, _):
        return [Op("position_embedding", name=name, shape=tuple(self.shape))]

    def op_attention(self, name, arguments):
        dim, bias = self.shape[-1], arguments.get("qkv_bias", True)
        q, k, v = (self.linear(f"{name}.{part}", dim, dim, bias) for part in "qkv")
        return [Op("attention", heads=arguments["heads"], q=q, k=k, v=v, proj=self.linear(f"{name}.proj", dim, dim))]

    def op_mlp(self, name, arguments):
        over_tokens = arguments.get("over") == "tokens"
        dim, hidden = self.shape[-2 if over_tokens else -1], arguments["hidden"]
        return [Op("mlp", fc1=self.linear(f"{name}.fc1", dim, hidden), fc2=self.linear(f"{name}.fc2", hidden, dim),
                   function=arguments.get("activation", "gelu"), over_tokens=over_tokens)]

    def op_select_token(self, _, index):
        self.shape = self.shape[1:]
        return [Op("select_token", index=index)]

    def op_mean_tokens(self, _, __):
        self.shape = self.shape[1:]
        return [Op("mean_tokens")]


class Network:
    """`ops`, `classes`, `input_shape`, `smoothing` and `optimizer` of a parsed spec."""

    def __init__(self, spec):
        resolver = Resolver(spec)
        self.ops, self.input_shape = resolver.ops, list(spec["model"]["input"]["shape"])
        self.classes = resolver.shape[-1]
        loss = spec.get("train", {}).get("loss", "cross_entropy")
        self.smoothing = loss["cross_entropy"].get("label_smoothing", 0.0) if isinstance(loss, dict) else 0.0
        self.optimizer = {"type": "adam", "lr": 1e-3, "weight_decay": 0.0, "momentum": 0.0,
                          "betas": [0.9, 0.999], "eps": 1e-8, **spec.get("optimizer", {})}
        self.clip = spec.get("train", {}).get("clip_grad_norm", 0.0)

    def only_linear(self):
        """The one linear of a layer's spec (--layer)."""
        linears = [op.linear for op in self.ops if op.kind == "linear"]
        if len(linears) != 1:
            raise SystemExit(f"peer: --layer takes a spec with one linear, this one has {len(linears)}")
        return linears[0]

    def layer_rows(self, batch):
        """How many rows the one linear sees: all axes but the last."""
        return batch * math.prod(self.input_shape[:-1])


def decays(name, dimensions):
    """Weight decay: not of biases, norms, the class token and positions."""
    return dimensions >= 2 and name.split(".")[-1].split("_")[0] not in ("class", "position")
