import sys
from pathlib import Path

import pytest

from sprag.queue import mounts
from sprag.queue.mounts import network_filesystem

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
        ("/jobs.db", None),
        ("/home/me/jobs.db", None),
        ("/home/me/net/jobs.db", "nfs4"),
        ("/home/me/net", "nfs4"),
        ("/home/me/network/jobs.db", None),
        ("/home/me/net/local/jobs.db", None),
        ("/mnt/with space\ttab/jobs.db", "cifs"),
        ("/mnt/fuse/jobs.db", "fuse.sshfs"),
        ("/mnt/fuseblk/jobs.db", None),
        ("/mnt/twice/jobs.db", None),
    ],
)
def test_the_innermost_and_latest_mount_decides(path: str, kind: str | None) -> None:
    assert network_filesystem(path) == kind


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
    assert mounts._kind("/", mounts._mounts()) is not None


def test_a_temporary_folder_of_the_tests_is_local(tmp_path: Path) -> None:
    assert network_filesystem(str(tmp_path / "jobs.db")) is None


@linux
def test_where_nothing_is_told_a_path_counts_as_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "Path", lambda path: Path("/no/such/file"))
    assert network_filesystem("/home/jobs.db") is None
