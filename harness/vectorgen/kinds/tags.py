"""Whitespace tags: every position, each set of allowed versions, with and without the policy of answering; tags sent.
[Tagged plaintext messages]
"""

from __future__ import annotations

from collections.abc import Mapping

from otterproof.harness.vectorgen.builder import FileBuilder, GroupBuilder, invalid, valid
from otterproof.harness.vectorgen.client_session import ALLOW, POLICIES, ended, policy_of
from otterproof.harness.vectorgen.play_builder import Act, Plays, does, gives
from otterproof.harness.wire import TAG_BASE, TAG_VERSIONS
from otterproof.implementations.contract import Policy
from otterproof.implementations.jsonform import policy_to_json
from otterproof.vectors import Outcome

_V1, _V2, _V3 = (TAG_VERSIONS[version] for version in (1, 2, 3))
_OTHER = b"\x20\x20\x09\x09\x20\x09\x20\x20"

#: Name -> (text before, groups, text after, comment, requirements)
_TAGS: Mapping[str, tuple[bytes, bytes, bytes, str, str]] = {
    "v2": (b"hello", _V2, b"", "version 2", "TAG-FORM-6"),
    "v3": (b"hello", _V3, b"", "version 3", "TAG-FORM-7"),
    "v2-v3": (b"hello", _V2 + _V3, b"", "versions 2 and 3", "TAG-FORM-6 TAG-FORM-7"),
    "v3-v2": (b"hello", _V3 + _V2, b"", "the other way round", "TAG-PARSE-4"),
    "v1": (b"hello", _V1, b"", "version 1 alone", "TAG-START-7"),
    "v1-v2": (b"hello", _V1 + _V2, b"", "versions 1 and 2", "TAG-PARSE-3"),
    "v1-v2-v3": (b"hello", _V1 + _V2 + _V3, b"", "all versions", "TAG-PARSE-3"),
    "v2-v2": (b"hello", _V2 + _V2, b"", "a version listed twice", "TAG-PARSE-4"),
    "at-start": (b"", _V2, b"hello", "the tag comes first", "TAG-PARSE-1"),
    "in-middle": (b"hel", _V3, b"lo", "the tag stands in the middle", "TAG-PARSE-1"),
    "at-end": (b"hello", _V2, b"", "the tag comes last", "TAG-PARSE-1"),
    "alone": (b"", _V2 + _V3, b"", "nothing but the tag", "TAG-PARSE-1"),
    "blank-after": (b"hello", _V2, b" world", "a blank after it that is no group", "TAG-PARSE-5"),
    "seven-after": (b"hello", _V3, b" \t \t \t world", "seven blanks and tabs after it", "TAG-PARSE-5"),
    "blanks-before": (b"hello  \t", _V2, b"", "blanks before it", "TAG-PARSE-5"),
    "line-after": (b"hello", _V2, b"\nworld", "a line end after it", "TAG-SHOW-1"),
    "high-bytes": (b"\xe4\xf6\xfc", _V3, b"\xff", "bytes that are no ASCII", "TAG-SHOW-1"),
}
_UNKNOWN_TAGS: Mapping[str, tuple[bytes, str]] = {
    "unknown": (_OTHER, "an unknown version alone"),
    "unknown-v2": (_OTHER + _V2, "an unknown version, then version 2"),
    "v2-unknown": (_V2 + _OTHER, "version 2, then an unknown one"),
    "v3-unknown-v2": (_V3 + _OTHER + _V2, "an unknown version between"),
}
_NO_TAGS: Mapping[str, tuple[bytes, str]] = {
    "no-group": (b"hello" + TAG_BASE, "the sixteen bytes alone"),
    "no-group-text": (b"hello" + TAG_BASE + b"world", "the sixteen bytes, then text"),
    "short-group": (b"hello" + TAG_BASE + _V2[:7], "a group of seven bytes"),
    "gap": (b"hello" + TAG_BASE + b"x" + _V2, "a letter before the group"),
    "base-cut": (b"hello" + TAG_BASE[:-1] + _V2, "fifteen bytes and a group"),
    "base-changed": (b"hello" + TAG_BASE[:-1] + b"\t" + _V2, "the sixteenth byte is another"),
    "group-alone": (b"hello" + _V2, "a group alone"),
    "blanks": (b"hello" + b" " * 24, "24 blanks"),
    "tabs": (b"\t" * 24 + b"hello", "24 tabs"),
    "plain": (b"hello", "no blanks at all"),
    "empty": (b"", "nothing"),
}


def whitespace_tags(file: FileBuilder) -> None:
    """Tags at every position, for each set of allowed versions, with and without the policy of answering; tags sent."""
    for name, versions in POLICIES.items():
        for starts in (True, False):
            policy = policy_of(versions, Policy.WHITESPACE_START_AKE if starts else Policy.NONE)
            words = f"Tags received where versions {versions} are allowed" + (
                "" if starts else ", and no tag is answered"
            )
            group = file.group(
                f"parse-{name}" + ("" if starts else "-quiet"),
                f"{words}.",
                "offer",
                policy=tuple(policy_to_json(policy)),
            )
            _parse_tags(group, versions if starts else (), starts, versions)
    for version in (2, 3):
        _tag_states(file, version)
    _sent_tags(file)


def _parse_tags(group: GroupBuilder, answered: tuple[int, ...], starts: bool, versions: tuple[int, ...]) -> None:
    def shows(more: str, version: int | None, offered: set[int]) -> str:
        found = f"TAG-FORM-2 TAG-FORM-3 TAG-SHOW-1 TAG-FORM-1 {more}"
        if version is None:
            return found + (" TAG-START-7" if starts else " TAG-START-5 TAG-PURPOSE-1")
        by = "TAG-START-1" if version == 3 else "TAG-START-2" if 3 in versions or 3 in offered else "TAG-START-3"
        return f"{found} {by} TAG-ANSWER-1 POLICY-START-1"

    for name, (before, groups, after, comment, more) in _TAGS.items():
        offered = {number for number, tag in TAG_VERSIONS.items() if tag in _split(groups)}
        version = max(offered & set(answered), default=None)
        text = before + TAG_BASE + groups + after
        group.case(
            name,
            comment,
            shows(more, version, offered),
            reaction="" if version else "shown",
            flags="" if version else "Tag",
            text=text,
        )
    for name, (groups, comment) in _UNKNOWN_TAGS.items():
        offered = {number for number, tag in TAG_VERSIONS.items() if tag in _split(groups)}
        version = max(offered & set(answered), default=None)
        known = b"".join(one for one in _split(groups) if one not in TAG_VERSIONS.values())
        stop = _split(groups)[: _split(groups).index(_OTHER)]
        stopped = max({n for n, tag in TAG_VERSIONS.items() if tag in stop} & set(answered), default=None)
        left = _outcome(version, b"hello" + known)
        others = {"TAG-REMOVED:known": left}
        if stopped != version:
            others["TAG-UNKNOWN:stop"] = _outcome(stopped, b"hello")
        group.case(
            name,
            comment,
            shows("TAG-PARSE-3", version, offered),
            reaction="" if version else "shown",
            flags="Tag",
            ours="TAG-UNKNOWN:skip" if stopped != version else "TAG-REMOVED:groups",
            others=others,
            text=b"hello" + TAG_BASE + groups,
        )
    for name, (text, comment) in _NO_TAGS.items():
        more = " TAG-PARSE-2" if name.startswith("no-group") else ""
        group.case(
            name, comment, f"TAG-PARSE-5 STATE-CLEAR-1 STATE-CLEAR-3{more}", reaction="shown", flags="Tag", text=text
        )


def _split(groups: bytes) -> list[bytes]:
    return [groups[at : at + 8] for at in range(0, len(groups), 8)]


def _outcome(version: int | None, shown: bytes) -> Outcome:
    seen = {"shown": shown, "warned": False}
    return invalid("shown", **seen) if version is None else valid(version=version, **seen)


def _tag_states(file: FileBuilder, version: int) -> None:
    """A tag outside PLAINTEXT, and under REQUIRE_ENCRYPTION."""
    text = b"hello" + TAG_BASE + TAG_VERSIONS[version]
    policy = ALLOW[version] | Policy.WHITESPACE_START_AKE
    ignores = {"TAG-ENCRYPTED:ignore": valid(sends=(), shows=(b"hello",))}
    reaches: Mapping[str, Act] = {"encrypted": lambda session: session.begin(), "finished": ended}
    for name, reach in reaches.items():
        group = file.plays(f"v{version}-{name}", f"Tags in {name.upper()}.", reach, version=version, policy=policy)
        shows = "TAG-SHOW-3 TAG-SHOW-4 TAG-START-6 TAG-START-4 STATE-AUTH-2"
        group.play(
            "tag",
            "shown with a warning, and answered",
            shows,
            gives(text),
            ours="TAG-ENCRYPTED:start",
            others=ignores,
        )
        group.play(
            "plain",
            "text without a tag: shown with a warning",
            "STATE-CLEAR-4 STATE-CLEAR-5 STATE-CLEAR-6",
            gives(b"hello"),
        )
        quiet = file.plays(f"v{version}-{name}-quiet", f"Tags in {name.upper()}, not answered.", reach, version=version)
        quiet.play(
            "tag",
            "shown with a warning, not answered",
            "TAG-SHOW-3 TAG-SHOW-4 TAG-START-5",
            gives(text),
        )
    for name, more in {
        "required": Policy.REQUIRE_ENCRYPTION,
        "required-start": Policy.REQUIRE_ENCRYPTION | Policy.WHITESPACE_START_AKE,
    }.items():
        group = file.plays(
            f"v{version}-{name}", "Tags under REQUIRE_ENCRYPTION.", version=version, policy=ALLOW[version] | more
        )
        group.play("tag", "shown with a warning", "TAG-SHOW-2", gives(text))
        group.play("plain", "text without a tag: shown with a warning", "STATE-CLEAR-2", gives(b"hello"))


def _sent_tags(file: FileBuilder) -> None:
    """Tags sent by the client."""
    for name, versions in POLICIES.items():
        policy = policy_of(versions, Policy.SEND_WHITESPACE_TAG)
        group = file.plays(
            f"sent-{name}", f"Texts sent where versions {versions} are allowed, with a tag.", policy=policy
        )
        shows = "TAG-FORM-1 TAG-FORM-2 TAG-FORM-3 TAG-FORM-8 USER-SEND-3 POLICY-TAG-1 QUERY-PURPOSE-1"
        group.play("text", "the tag offers exactly these versions", shows, does("send", text=b"hello"))
        group.play("empty", "an empty text gets a tag, too", shows, does("send", text=b""))
        group.play(
            "twice", "every text gets one", shows, lambda session: [session.do("send", text=b"hello") for _ in range(2)]
        )
        group.play("query", "a query gets none", "USER-SEND-5", does("start"))
        _tag_stops(group)
        plain = file.plays(f"sent-{name}-none", "Texts sent without a tag.", policy=policy_of(versions))
        plain.play(
            "text",
            "no tag",
            "POLICY-TAG-1 USER-SEND-2 STATE-PLAINTEXT-2",
            does("send", text=b"hello"),
        )


def _tag_stops(group: Plays) -> None:
    shows = "TAG-STOP-1 USER-SEND-4"

    group.play(
        "after-text",
        "text has come: no tag any more",
        shows,
        lambda session: (session.give(b"hi"), session.do("send", text=b"hello")),
    )
    tagged = b"hi" + TAG_BASE + _V2
    group.play(
        "after-tagged",
        "tagged text has come: no tag any more",
        shows,
        lambda session: (session.give(tagged), session.do("send", text=b"hello")),
        ours="TAG-COUNTS:counts",
        others={"TAG-COUNTS:not": valid(sends=("tagged_plaintext",), shows=())},
    )
    group.play(
        "after-error",
        "an Error Message is no text: the tag is still sent",
        "USER-SEND-3",
        lambda session: (session.give(b"?OTR Error: no"), session.do("send", text=b"hello")),
        ours="TAG-STARTED:text",
        others={"TAG-STARTED:all": valid(sends=("plaintext",), shows=())},
    )
