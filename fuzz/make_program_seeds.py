"""Makes the seeds of the targets `config` and `archive`: python3 fuzz/make_program_seeds.py

Needs the programs gzip and zstd. What these write changes with their versions, so the seeds in
the repository are kept as they are unless there is a new kind of input.
"""
import io
import os
import pathlib
import subprocess
import tarfile

here = pathlib.Path(__file__).resolve().parent
root = here.parent


def write(target, name, content):
    folder = here / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def piped(command, content):
    return subprocess.run(command, input=content, stdout=subprocess.PIPE, check=True).stdout


# Configurations: the example on the fuzz target's own data set, each kind of backend, each form
# of submission, and what is refused.
example = (root / "config.example.toml").read_text()
for there, here_ in [("data/imgs", "imgs"), ("data/gts", "gts"), ("models/baseline", "teams/team")]:
    example = example.replace(there, here_)
write("config", "example", example.encode())
every_option = "\n".join(line.removeprefix("#: ").removeprefix("# ") for line in example.split("\n"))
write("config", "example-every-line", every_option.encode())
containers = [line.removeprefix("#: ") for line in example.split("\n") if line.startswith("#: ")]
cases = '[cases]\nimages = "imgs"\nground_truth = "gts"\n[output]\ndir = "out"\n'
for kind in "docker", "podman", "process", "other":
    write("config", kind, (cases + f'[backend]\nkind = "{kind}"\n'
                           '[[submission]]\nname = "a"\narchive = "team.tar.gz"\n').encode())
for number, line in enumerate(containers):
    write("config", f"option-{number:02}", (cases + f'[backend]\nkind = "podman"\n{line}\n'
                                            '[[submission]]\nname = "a"\nimage = "a:b"\n').encode())
process = cases + '[backend]\nkind = "process"\nenv = { A = "{inputs}{case}" }\n'
run = '[[submission]]\nname = "a"\ncommand = ["sh", "-c", "true"]\n'
for name, more in {
    "command": run,
    "workdir": run + 'workdir = "teams"\n',
    "env": run + 'env = { B = "x" }\n',
    "two": run + run,
    "both": run + 'archive = "team.tar.gz"\n',
    "nothing": '[[submission]]\nname = "a"\n',
    "empty-command": '[[submission]]\nname = "a"\ncommand = []\n',
    "path-for-a-name": run.replace('"a"', '"../a"'),
    "folder": '[run]\nsubmissions = "teams"\njobs = 2\nthreads = 1\n',
    "protocol": '[protocol]\nclicks = 1001\nclick_policy = "random"\nclick_seed = 7\n' + run,
    "numbers": '[protocol]\nnsd_tolerance_mm = inf\nseconds_per_class = -1.5e300\n' + run,
    "no-number": '[protocol]\ninteraction_timeout_seconds = nan\n' + run,
    "large-number": '[protocol]\ninteraction_timeout_seconds = 1e308\n' + run,
    "dates": "[cases]\nimages = 1979-05-27T07:32:00Z\n" + run,
    "dotted": 'cases.images = "imgs"\noutput."dir" = \'out\'\n' + run,
    "unknown-key": "[cases]\nimage = 1\n",
    "twice": cases + cases,
    "multi-line": '[cases]\nimages = """\nimgs"""\n' + run,
    "unicode": '[cases]\nimages = "\\u00e9\\U0001F600"\n# é\n' + run,
}.items():
    write("config", name, ((process if "cases" not in more[:7] else "") + more).encode())
write("config", "empty", b"")
write("config", "not-utf-8", b"[cases]\nimages = \"\xff\"\n")
write("config", "unclosed", b"[cases\n")
write("config", "nested", b"a = " + b"[" * 100 + b"]" * 100)
write("config", "nested-tables", b"a = " + b"{ b = " * 60 + b"1" + b"}" * 60)

# Archives: plain, gzip and zstd; in several members and frames; cut, spoilt, and of other kinds.
buffer = io.BytesIO()
with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
    for name, content in [("manifest.json", b'[{"RepoTags":["team:latest"]}]'), ("a/layer.tar", b"")]:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
tar = buffer.getvalue()
gzip = piped(["gzip", "-9n"], tar)
zstd = piped(["zstd", "-19", "-q"], tar)
zeros = bytes(4 << 20)
for name, content in {
    "tar": tar,
    "gnu-tar": tar[:257] + b"ustar  \0" + tar[265:],
    "gzip": gzip,
    "gzip-with-a-name": gzip[:3] + b"\x08" + gzip[4:10] + b"team.tar\0" + gzip[10:],
    "gzip-members": gzip + gzip,
    "gzip-cut": gzip[: len(gzip) // 2],
    "gzip-wrong-sum": gzip[:-8] + bytes(8),
    "gzip-then-zeros": gzip + bytes(64),
    "gzip-header-alone": gzip[:10],
    "gzip-of-zeros": piped(["gzip", "-9n"], zeros),
    "zstd": zstd,
    "zstd-frames": zstd + zstd,
    "zstd-skippable": b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + zstd,
    "zstd-then-skippable": zstd + b"\x50\x2a\x4d\x18\x04\0\0\0abcd",
    "zstd-cut": zstd[: len(zstd) // 2],
    "zstd-of-zeros": piped(["zstd", "-19", "-q"], zeros),
    "zstd-checked": piped(["zstd", "--check", "-q"], tar),
    "zstd-wide-window": piped(["zstd", "--ultra", "-22", "--long=31", "-q"], tar),
    "xz-magic": b"\xfd7zXZ\0" + bytes(40),
    "zip-magic": b"PK\x03\x04" + bytes(40),
    "empty": b"",
}.items():
    write("archive", name, content)
