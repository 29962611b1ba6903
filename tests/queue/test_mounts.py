import sys
from pathlib import Path

import pytest

from sprag.queue.file import mounts
from sprag.queue.file.mounts import ground

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux says of its mounts")

# As the kernel writes it: an overlay with a comma in its options, optional fields before the
# dash (none, one, two), an escaped space, a mount above another, a name that begins like another.
MOUNTINFO = """\
21 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/a:/b,upperdir=/c
22 21 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
23 21 0:5 / /dev rw,nosuid shared:2 master:1 - devtmpfs udev rw,size=4k,mode=755
36 21 8:1 /srv /home rw,relatime - ext4 /dev/sda1 rw
40 36 0:40 / /home/me/net rw,relatime shared:70 - nfs4 server:/export/a\\040b rw,vers=4.2
41 40 0:41 / /home/me/net/local rw - tmpfs tmpfs rw
42 21 0:42 / /mnt/with\\040space\\011tab rw - cifs //server/share rw
43 21 0:43 / /mnt/fuse rw - fuse.sshfs me@host:/ rw
44 21 0:44 / /mnt/fuseblk rw - fuseblk /dev/sdb1 rw
45 21 0:45 / /mnt/twice rw - nfs server:/a rw
46 45 0:46 / /mnt/twice rw - ext4 /dev/sdc1 rw
this line is no mount
"""


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mounts above, in a real file in place of the kernel's."""
    file = tmp_path / "mountinfo"
    file.write_text(MOUNTINFO, encoding="utf-8")
    monkeypatch.setattr(mounts, "Path", lambda path: file)


@linux
@pytest.mark.usefixtures("mounted")
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/jobs.db", "overlay"),
        ("/home/me/jobs.db", "ext4"),
        ("/home/me/net/jobs.db", "nfs4"),
        ("/home/me/net", "nfs4"),
        ("/home/me/network/jobs.db", "ext4"),
        ("/home/me/net/local/jobs.db", "tmpfs"),
        ("/mnt/with space\ttab/jobs.db", "cifs"),
        ("/mnt/fuse/jobs.db", "fuse.sshfs"),
        ("/mnt/fuseblk/jobs.db", "fuseblk"),
        ("/mnt/twice/jobs.db", "ext4"),
    ],
)
def test_the_innermost_and_latest_mount_decides(path: str, kind: str | None) -> None:
    assert ground(path).kind == kind


SORTS = {
    "local": ["ext4", "xfs", "btrfs", "zfs", "overlay", "tmpfs", "fuseblk", "fuse.fuse-overlayfs"],
    "network": ["nfs", "nfs4", "cifs", "smb3", "ceph", "fuse.sshfs", "fuse.rclone", "lustre"],
    "shared": [
        "virtiofs", "9p", "vboxsf", "fakeowner", "fuse.grpcfuse", "fuse.osxfs", "drvfs",
        "fuse.vmhgfs-fuse", "vmhgfs", "prl_fs", "fuse.virtiofs",
    ],
    "served": ["fuse", "fuse.shfs", "fuse.mergerfs", "fuse.never-heard-of"],
}  # fmt: skip


@linux
@pytest.mark.parametrize(
    ("sort", "kind"), [(s, kind) for s, kinds in SORTS.items() for kind in kinds]
)
def test_a_file_system_is_of_one_sort(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sort: str, kind: str
) -> None:
    file = tmp_path / "mountinfo"
    file.write_text(f"21 1 0:20 / / rw - ext4 /dev/sda rw\n22 21 0:21 / /app rw - {kind} it rw\n")
    monkeypatch.setattr(mounts, "Path", lambda path: file)
    assert ground("/app/data/jobs.db") == (kind, sort, False)
    assert ground("/elsewhere/jobs.db").sort == "local"


@linux
def test_a_file_that_is_itself_a_mount_stands_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = tmp_path / "my app"
    app.mkdir()
    (app / "jobs.db").touch()
    (app / "link.db").symlink_to("jobs.db")
    escaped = str(app / "jobs.db").replace(" ", "\\040")
    file = tmp_path / "mountinfo"
    file.write_text(
        "21 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/a\n"
        f"99 21 8:1 /home/me/jobs.db {escaped} rw,relatime - ext4 /dev/sda1 rw\n"
    )
    monkeypatch.setattr(mounts, "Path", lambda path: file)
    assert ground(str(app / "jobs.db")) == ("ext4", "local", True)
    assert ground(str(app / "link.db")).alone
    assert not ground(str(app / "other.db")).alone


@linux
@pytest.mark.usefixtures("mounted")
def test_the_type_is_the_field_after_the_dash() -> None:
    found = dict(mounts._mounts())
    assert found["/"] == "overlay"
    assert found["/dev"] == "devtmpfs"
    assert found["/mnt/with space\ttab"] == "cifs"
    assert len(mounts._mounts()) == 11


def test_the_machine_s_own_mounts_can_be_read() -> None:
    if sys.platform == "linux":
        assert "/" in dict(mounts._mounts())
    assert ground("/").kind is not None


def test_a_temporary_folder_of_the_tests_is_local(tmp_path: Path) -> None:
    assert ground(str(tmp_path / "jobs.db")).sort == "local"


@linux
def test_where_nothing_is_told_a_path_counts_as_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "Path", lambda path: Path("/no/such/file"))
    assert ground("/home/jobs.db") == (None, "local", False)
