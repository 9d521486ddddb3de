"""The container image without Docker: built by Debian's buildah, and started as a container is.

Needs root, buildah and mmdebstrap. Nothing of the machine's package index enters the build but a
configuration of pip, which is mounted as a secret.
"""

from __future__ import annotations

import ast
import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pip
import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
USER = 10001
TAG = "localhost/ecom-platform:check"
BASE = "localhost/python:check"
#: Where Docker's image of Python has what is installed beside it; Debian's looks elsewhere.
SITE = "/usr/local/lib/python3.11/site-packages"

#: What a container's engine does: an own tree of mounts, all of it read-only but /tmp and the
#: volumes, and a user who is nobody else and can become nobody else.
START = """
set -e
root=$1; shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; shift 2; done
shift
mount -o remount,bind,ro "$root"
exec chroot "$root" "$@"
"""
DROP = (
    *("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"),
    *("--no-new-privs", "--inh-caps=-all", "--bounding-set=-all", "--"),
)


@dataclass
class Container:
    """A process that runs in the image, as its first."""

    unshared: subprocess.Popen[bytes]
    output: Path

    @property
    def log(self) -> str:
        """What it has printed."""
        return self.output.read_text(errors="replace")

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self.unshared.poll() is None

    @property
    def first(self) -> psutil.Process:
        """The container's process 1."""
        [first] = psutil.Process(self.unshared.pid).children()
        return first

    def wait(self, seconds: float) -> int:
        """Wait for its end; return its exit code."""
        try:
            return self.unshared.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"Not ended after {seconds} s:\n{self.log}") from None

    def stop(self, seconds: float) -> int:
        """End it as an engine does, by a signal to process 1; return its exit code."""
        self.first.send_signal(signal.SIGTERM)
        return self.wait(seconds)


@dataclass
class Image:
    """An image that is unpacked.

    Args:
        root: Its files.
        manifest: What `buildah inspect` says of it.
        built: Seconds that each step of making it took.
        folder: For what containers print.
    """

    root: Path
    manifest: dict[str, Any]
    built: dict[str, float]
    folder: Path
    _started: list[Container] = field(default_factory=list)

    @property
    def config(self) -> dict[str, Any]:
        """The part that says how containers are started."""
        return self.manifest["Docker"]["config"]

    def start(
        self,
        command: list[str],
        environment: Mapping[str, str],
        mounts: Mapping[str, Path],
    ) -> Container:
        """Start a container.

        Args:
            command: In place of the image's own.
            environment: Beside that of the image.
            mounts: Path in the image -> of this machine.
        """
        variables = [*self.config["Env"], *(f"{k}={v}" for k, v in environment.items())]
        output = self.folder / f"container-{len(self._started)}.log"
        # Docker gives each container these two.
        given = {f"/etc/{name}": Path("/etc", name) for name in ("hosts", "resolv.conf")}
        with output.open("wb") as file:
            unshared = subprocess.Popen(
                [
                    *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
                    *("sh", "-c", START, "sh", str(self.root)),
                    *(str(part) for to, of in {**given, **mounts}.items() for part in (of, to)),
                    # Behind a shell's `&`, SIGINT is ignored, and by Dagster SIGTERM too.
                    *("--", "env", "--default-signal=INT", "-C", self.config["WorkingDir"]),
                    *("-i", *variables),
                    *(*DROP, *command),
                ],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self._started.append(Container(unshared, output))
        return self._started[-1]

    def kill(self) -> None:
        """End all containers that still run."""
        for container in self._started:
            container.unshared.kill()
            container.unshared.wait()


@contextmanager
def image(folder: Path) -> Iterator[Image]:
    """Build the image of this tree, and unpack it, while the block is open."""
    storage = ["--storage-driver", "vfs", "--root", str(folder / "s"), "--runroot", str(folder)]
    built: dict[str, float] = {}

    def buildah(verb: str, *arguments: str) -> str:
        return run("buildah", *storage, verb, *arguments).strip()

    @contextmanager
    def timed(what: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        built[what] = time.monotonic() - started

    with timed("base image"):
        tree = base(folder)
        container = buildah("from", "scratch")
        buildah("add", "--quiet", container, str(tree), "/")
        buildah("commit", "--quiet", container, BASE)
    with timed("build"), pip_configuration(folder) as configuration:
        buildah(
            *("bud", "--isolation", "chroot", "--format", "docker", "--tag", TAG),
            *("--file", str(ROOT / "deploy" / "Dockerfile")),
            *("--build-arg", f"PYTHON_IMAGE={BASE}", "--build-arg", "VERSION=1.2.3"),
            *("--build-arg", "REVISION=abc", "--build-arg", "SOURCE=https://git.example.com/x"),
            *("--secret", f"id=pip,src={configuration}", str(ROOT)),
        )
    manifest = json.loads(buildah("inspect", "--type", "image", TAG))
    with timed("unpack"):
        root = Path(buildah("mount", buildah("from", TAG)))
    made = Image(root, manifest, built, folder)
    try:
        yield made
    finally:
        made.kill()


def base(folder: Path) -> Path:
    """Return an archive of Debian with Python, and pip where Docker's image of Python has it."""
    options = folder / "apt.conf"
    options.write_text(run("apt-config", "dump", "--no-empty", "--format", '%F "%v";%n', "Acquire"))
    [sources, *_] = [
        path
        for path in map(Path, ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"))
        if path.exists()
    ]
    beside = folder / "beside"
    local = beside / SITE[1:]
    shutil.copytree(
        Path(pip.__file__).parent, local / "pip", ignore=shutil.ignore_patterns("__pycache__")
    )
    # What this machine trusts, pip there does.
    trusted = Path("/etc/ssl/certs/ca-certificates.crt")
    if trusted.exists():
        shutil.copy(trusted, local / "pip/_vendor/certifi/cacert.pem")
    (beside / "usr/local/bin").mkdir()
    (beside / "usr/local/bin/pip3").touch()
    (beside / "usr/lib/python3/dist-packages").mkdir(parents=True)
    (beside / "usr/lib/python3/dist-packages/local.pth").write_text(f"{SITE}\n")
    archive = folder / "base.tar"
    run(
        *("mmdebstrap", "--variant=minbase", "--include=python3", f"--aptopt={options}"),
        *("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*"),
        f"--customize-hook=cp -r {beside}/. $1; touch $1/etc/hosts $1/etc/resolv.conf",
        "--customize-hook=rm -f $1/etc/apt/apt.conf.d/99mmdebstrap $1/etc/apt/sources.list",
        *("--customize-hook=rm -rf $1/etc/apt/sources.list.d", "bookworm", str(archive)),
        str(sources),
    )
    return archive


@contextmanager
def pip_configuration(folder: Path) -> Iterator[Path]:
    """Return pip's configuration of this machine as a file; its folders are served by HTTP."""
    listed = run(sys.executable, "-m", "pip", "config", "list")
    pairs = [line.partition("=") for line in listed.splitlines()]
    # A variable of the environment, `:env:.name`, comes last, and outweighs.
    options = {
        key.rpartition(".")[2]: ast.literal_eval(value)
        for key, _, value in sorted(pairs, reverse=True)
    }
    options.pop("cert", None)
    with ExitStack() as stack:

        def served(place: str) -> str:
            path = Path(place.removeprefix("file://"))
            if not path.is_absolute():
                return place
            # The pages of an index name files beside them.
            handler = partial(_Quiet, directory=str(path.parent))
            server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)
            Thread(target=server.serve_forever).start()
            return f"http://127.0.0.1:{server.server_port}/{path.name}"

        file = folder / "pip.conf"
        file.write_text(
            "[global]\n"
            + "".join(
                f"{key} = {' '.join(map(served, str(value).split()))}\n"
                for key, value in options.items()
            )
        )
        file.chmod(0o600)
        yield file


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
        pass


def run(*command: str) -> str:
    """Run a program; return what it printed, and fail with all of that where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[:4]}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout
