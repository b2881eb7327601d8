"""The worked example of the version 3 text: a Data Message and its three fragments. [Fragmentation]

It is copied from the text, so it is the only input not produced by a program of this project.
"""

from __future__ import annotations

from otterproof.harness.vectorgen.builder import FileBuilder, invalid
from otterproof.harness.vectorgen.play_builder import gives

V3 = (
    b"?OTR:AAMDJ+MVmSfjFZcAAAAAAQAAAAIAAADA1g5IjD1ZGLDVQEyCgCyn9hbrL3KAbGDdzE2ZkMyTKl7XfkSxh8YJnudstiB74i4"
    b"BzT0W2haClg6dMary/jo9sMudwmUdlnKpIGEKXWdvJKT+hQ26h9nzMgEditLB8vjPEWAJ6gBXvZrY6ZQrx3gb4v0UaSMOMiR5sB7"
    b"Eaulb2Yc6RmRnnlxgUUC2alosg4WIeFN951PLjScajVba6dqlDi+q1H5tPvI5SWMN7PCBWIJ41+WvF+5IAZzQZYgNaVLbAAAAAAA"
    b"AAAEAAAAHwNiIi5Ms+4PsY/L2ipkTtquknfx6HodLvk3RAAAAAA==."
)

V3_FRAGMENTS = [
    (
        b"?OTR|5a73a599|27e31597,00001,00003,?OTR:AAMDJ+MVmSfjFZcAAAAAAQAAAAIAAADA1g5IjD1ZGLDVQEyCgCyn9hbrL3KA"
        b"bGDdzE2ZkMyTKl7XfkSxh8YJnudstiB74i4BzT0W2haClg6dMary/jo9sMudwmUdlnKpIGEKXWdvJKT+hQ26h9nzMgEditLB8v,"
    ),
    (
        b"?OTR|5a73a599|27e31597,00002,00003,jPEWAJ6gBXvZrY6ZQrx3gb4v0UaSMOMiR5sB7Eaulb2Yc6RmRnnlxgUUC2alosg4W"
        b"IeFN951PLjScajVba6dqlDi+q1H5tPvI5SWMN7PCBWIJ41+WvF+5IAZzQZYgNaVLbAAAAAAAAAAEAAAAHwNiIi5Ms+4PsY/L2i,"
    ),
    (b"?OTR|5a73a599|27e31597,00003,00003,pkTtquknfx6HodLvk3RAAAAAA==.,"),
]

#: The receiver's instance tag in the example.
RECEIVER = 0x27E31597


def worked_example(file: FileBuilder) -> None:
    """Its fragments, received by the client they are addressed to, which has no such session."""
    group = file.plays("v3-sample", "The worked example of the version 3 text.", instance_tag=RECEIVER)
    shows = "FRAGMENT-SAMPLE-1 DATA-RECV-9 FRAGMENT-RECV-13"
    others = {"DATA-UNREADABLE-REPLY:notice": invalid("reported", sends=(), shows=())}
    for name, comment, act in (
        ("fragments", "its three fragments", gives(*V3_FRAGMENTS)),
        ("whole", "the message in one piece", gives(V3)),
    ):
        group.play(
            name,
            comment,
            shows,
            act,
            reaction="error_message",
            flags="State",
            ours="DATA-UNREADABLE-REPLY:reply",
            others=others,
        )
