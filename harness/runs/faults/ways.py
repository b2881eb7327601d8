"""The ways of drawing the programs of a campaign, which are compared with each other."""

from __future__ import annotations

from enum import StrEnum


class Way(StrEnum):
    """How programs are drawn."""

    #: As `fuzz` does: what programs show decides what comes next.
    FEEDBACK = "feedback"
    #: Each program by itself, with all acts.
    AFRESH = "afresh"
    #: Each program by itself, from single acts: no stories, no insiders. This is what `fuzz` began with.
    SINGLE_ACTS = "single-acts"


#: What a way is called.
WORDS = {Way.FEEDBACK: "with feedback", Way.AFRESH: "each by itself", Way.SINGLE_ACTS: "of single acts"}
