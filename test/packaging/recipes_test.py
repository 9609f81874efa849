"""recipes_test.py SOURCE: what can be checked of the container recipes without running them: each file that they copy
is there, the build stage has every folder of CMakeLists.txt, packages come from packages.txt."""
import glob
import pathlib
import re
import sys

source = pathlib.Path(sys.argv[1])
known = {line.split("#")[0].strip() for line in (source / "packages.txt").read_text().splitlines()} - {""}
wrong = []


def check(condition, text):
    if not condition:
        wrong.append(text)


def installed(text):
    """The packages that the recipe names, without options and files."""
    joined = re.sub(r"\\\n", " ", text)
    for words in re.findall(r"apt-get install ([^&\n]*)", joined):
        yield from (word for word in words.split() if not word.startswith("-") and "*" not in word)


dockerfile = (source / "packaging/Dockerfile").read_text()
instructions = [line.split() for line in re.sub(r"\\\n", " ", dockerfile).splitlines() if line and line[0] != "#"]
check({line[0] for line in instructions} <= {"FROM", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"},
      "Dockerfile: an unknown instruction")
check(instructions[0][:2] == ["FROM", "debian:12"], "Dockerfile: it begins with FROM debian:12")
copied = [name for line in instructions if line[0] == "COPY" and not line[1].startswith("--") for name in line[1:-1]]
for name in copied:
    check((source / name).exists(), f"Dockerfile: COPY of '{name}', which is not there")
for folder in re.findall(r"^add_subdirectory\((\w+)", (source / "CMakeLists.txt").read_text(), re.M):
    check(folder in copied, f"Dockerfile: '{folder}' of CMakeLists.txt is not copied")
for words in re.findall(r"^install\((?:DIRECTORY|FILES) ([\w. ]+?) (?:DESTINATION|FILES)",
                        (source / "cmake/DanausInstall.cmake").read_text(), re.M):
    for name in words.split():
        check(name in copied, f"Dockerfile: '{name}' is installed but not copied")
check("packages.txt" in dockerfile, "Dockerfile: packages come from packages.txt")

for package in ("dpkg-dev", "file"):
    check(package in known, f"packages.txt: CPack needs '{package}' to make the .deb")

recipe = (source / "packaging/danaus.def").read_text()
sections = set(re.findall(r"^%(\w+)", recipe, re.M))
check(sections == {"files", "post", "runscript", "test", "help"}, f"danaus.def: sections {sorted(sections)}")
for key in ("Bootstrap", "From"):
    check(re.search(rf"^{key}: \S+$", recipe, re.M), f"danaus.def: no {key}")
for model in re.findall(r"/usr/share/danaus/(\S+\.yaml)", recipe):
    check((source / model).exists(), f"danaus.def: '{model}' is not there")
for name, text in (("Dockerfile", dockerfile), ("danaus.def", recipe)):
    packages = list(installed(text))
    check(packages, f"{name}: installs nothing")
    for package in packages:
        check(package in known, f"{name}: '{package}' is not in packages.txt")

print("\n".join(wrong) or "ok")
sys.exit(bool(wrong))
