"""What is measured: training steps of the models in models/, and single layers.

A single layer is a spec made here: position_embedding -> layer -> mean_tokens. The embedding makes the layer's input
need a gradient, the mean ends it; neither is fused with the layer, so that the launches of `danaus bench
--per-kernel` which name the layer alone are its forward pass and its gradients. A peer times the bare layer.
"""
import dataclasses
import fnmatch
import pathlib

from driver.errors import BenchError

TOKENS = 196
LAYER_BATCH = 32  # x 196 tokens: 6272 rows
LAYER_NAME = "layer"

# The steps of docs/Performance.md, with their batch.
STEPS = {
    "mnist_mlp": 128,
    "mnist_mlp_low_rank": 128,
    "mnist_mlp_monarch": 128,
    "fashion_vit_tiny": 128,
    "fashion_vit_tiny_monarch": 128,
    "vit_s16": 8,
    "vit_s16_monarch": 8,
    "mixer_b16": 8,
    "mixer_b16_monarch": 8,
}
# Models that are measured only when asked for by name.
OTHER_BATCHES = {
    "mnist_mlp_large": 128,
    "mnist_mlp_pufferfish": 128,
    "mnist_mlp_pufferfish_energy": 128,
    "mnist_mlp_large_low_rank": 128,
    "cifar10_vit_s4_monarch": 32,
    "mixer_s16": 8,
    "mixer_s16_monarch": 8,
    "vit_b16": 8,
    "vit_b16_monarch": 8,
}
WIDTHS = ((768, 768), (768, 3072), (3072, 768))
STRUCTURES = {
    "dense": "kind: dense",
    "monarch": "kind: monarch, nblocks: 4",
    "low_rank": "kind: low_rank, rank: 192",
}


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    spec: pathlib.Path
    batch: int
    forward: bool
    layer: bool = False

    @property
    def title(self):
        return f"{self.name}, forward" if self.forward else self.name


def layer_text(name, structure, inputs, outputs):
    return f"""# Made by bench/run: one {name} layer with {TOKENS} rows for each sample.
name: {name}
model:
  input: {{shape: [{TOKENS}, {inputs}]}}
  layers:
    - position_embedding
    - linear: {{name: {LAYER_NAME}, out: {outputs}}}
    - mean_tokens
structure:
  - {{match: {LAYER_NAME}, {structure}}}
data: {{name: npy, dir: .}}
train: {{batch_size: {LAYER_BATCH}, loss: cross_entropy}}
optimizer: {{type: adamw, lr: 1.0e-3}}
"""


def layer_names():
    return [f"{kind}_{inputs}_{outputs}" for kind in STRUCTURES for inputs, outputs in WIDTHS]


def write_layer(name, folder):
    """The spec of a layer like monarch_768_3072, written into `folder`."""
    kind, inputs, outputs = name.rsplit("_", 2)
    path = folder / f"{name}.yaml"
    path.write_text(layer_text(name, STRUCTURES[kind], inputs, outputs), encoding="utf-8")
    return path


def names_of(words, sections):
    """What `words` select, in the order of the report: (steps, layers); steps are names or paths."""
    steps, layers = [], []
    known_steps, known_layers = [*STEPS, *OTHER_BATCHES], layer_names()
    if not words:
        return (list(STEPS) if "steps" in sections else []), (known_layers if "layers" in sections else [])
    for word in words:
        if word.endswith(".yaml"):
            steps.append(word)
            continue
        found_steps, found_layers = fnmatch.filter(known_steps, word), fnmatch.filter(known_layers, word)
        if not found_steps and not found_layers:
            raise BenchError(f"there is no model or layer '{word}'; models: {', '.join(known_steps)}; layers: "
                             f"{', '.join(known_layers)}; or give the path of a spec (.yaml)")
        steps += found_steps
        layers += found_layers
    return list(dict.fromkeys(steps)), list(dict.fromkeys(layers))


def step_spec(root, word, batch):
    """The path and batch of a model that is named or is a path; 0: what the spec says."""
    if word.endswith(".yaml"):
        path = pathlib.Path(word)
        if not path.is_file():
            raise BenchError(f"there is no spec '{word}'")
        return path, batch or {**STEPS, **OTHER_BATCHES}.get(path.stem, 0)
    return root / "models" / f"{word}.yaml", batch or {**STEPS, **OTHER_BATCHES}[word]


def cases_of(options, root, folder):
    """Every case of a run: (steps, layers); specs of layers are written into `folder`."""
    steps, layers = names_of(options.what, options.only)
    step_cases, layer_cases = [], []
    for word in steps:
        path, batch = step_spec(root, word, options.batch)
        step_cases.append(Case(path.stem, path, batch, False))
        if options.forward:
            step_cases.append(Case(path.stem, path, batch, True))
    for name in layers:
        path = write_layer(name, folder)
        for forward in (True, False):
            layer_cases.append(Case(name, path, options.batch or LAYER_BATCH, forward, True))
    return step_cases, layer_cases
