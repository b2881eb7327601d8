"""Random conversations: the target and one or two clients of a correspondent, users who do anything, and a hostile
network.

The same number gives the same conversation.
"""

from __future__ import annotations

import random

from otterproof.harness.wire.mutate import flip_bit, truncate
from otterproof.implementations.contract import Policy
from otterproof.scenarios.differential.comparison import BOTH, Comparison, differential

#: How many conversations there are.
RUNS = 4

#: How many moves a conversation has.
MOVES = 150


@differential("ROBUST-INPUT-1")
def random_conversations(comparison: Comparison) -> None:
    """The target agrees with the reference engine in random conversations, whatever the moves."""
    for number in comparison.context.examples(RUNS):
        _conversation(comparison, number)


def _conversation(comparison: Comparison, number: int) -> None:
    """One conversation; it begins encrypted, and odd ones have a second client."""
    version = comparison.version
    choose = random.Random(f"{number} {version}")
    conversation = comparison.conversation(BOTH | Policy.ERROR_START_AKE | Policy.WHITESPACE_START_AKE)
    if number % 2:
        conversation.join("other", 0x80000ABC)
    conversation.start()
    history: list[bytes] = []
    now = 0
    for _ in range(MOVES):
        party = choose.choice(list(conversation.parties))
        queue = conversation.queues[party]
        move = choose.choice(("user", "user", "deliver", "deliver", "deliver", "attack", "time", "query"))
        if move == "deliver" and queue:
            history.append(queue[0])
            at = 0 if choose.random() < 0.8 else choose.randrange(len(queue))
            conversation.deliver(party, queue.pop(at))
        elif move == "user":
            match choose.randrange(12):
                case 0:
                    history += conversation.act(party, "smp_start", secret=b"s", question=choose.choice((None, b"q")))
                case 1 | 2:
                    history += conversation.act(party, "smp_answer", secret=choose.choice((b"s", b"t")))
                case 3:
                    history += conversation.act(party, "end") if choose.random() < 0.3 else []
                case 4:
                    history += conversation.act(party, "extra_key", use=1, data=b"d")
                case 5:
                    history += conversation.act(party, "smp_abort")
                case _:
                    history += conversation.act(party, "send", text=choose.randbytes(3).hex().encode())
        elif move == "time":
            now += choose.choice((1, 10, 61))
            conversation.set_time(now)
        elif move == "query" and choose.random() < 0.3:
            conversation.deliver(party, b"?OTRv%d?" % version)
        elif move == "attack":
            _attack(choose, conversation.queues["target"], history)
    conversation.settle()


def _attack(choose: random.Random, queue: list[bytes], history: list[bytes]) -> None:
    if history and choose.random() < 0.4:
        queue.insert(0, choose.choice(history[-20:]))
    elif queue:
        at = choose.randrange(len(queue))
        match choose.randrange(4):
            case 0:
                del queue[at]
            case 1:
                queue.insert(at, queue[at])
            case 2:
                queue.insert(at, flip_bit(queue[at], choose.randrange(5000)))
            case _:
                queue.insert(at, truncate(queue[at], choose.randrange(300)))
