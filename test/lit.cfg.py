# The one lit configuration. A test is a .mlir file with RUN lines; a folder whose tests are specs
# says so in a lit.local.cfg: config.suffixes = [".yaml"].
import os

import lit.formats

config.name = "Danaus"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir"]
config.excludes = ["models", "oracle", "Inputs"]
config.test_source_root = os.path.join(config.danaus_source_dir, "test")
config.test_exec_root = os.path.join(config.danaus_binary_dir, "test")

# Our programs first, then FileCheck, not, count and split-file.
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.danaus_binary_dir, "bin"), config.llvm_tools_dir, os.environ["PATH"]]
)
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "HOME", "TMPDIR"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

# A file, where no folder can be made: nothing is taken from a cache, and nothing kept, unless a test says where.
config.environment["XDG_CACHE_HOME"] = "/dev/null"

config.substitutions.append(("%models", os.path.join(config.danaus_source_dir, "models")))
config.substitutions.append(("%oracle", os.path.join(config.test_source_root, "oracle")))
if config.sanitize:
    config.available_features.add("asan")
