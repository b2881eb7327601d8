"""The symbolic model of a conversation: every event and every state foretold, with names for keys and no cryptography.

A third mind next to the two engines. A `PartyModel` follows one party, a `Book` is shared by all parties of a world;
`ModelDivergence` says where an engine left the prediction. See party.py for the use of it, book.py for how messages of
insiders are made known.
"""

from harness.model.book import Book, BookConflict, Opening, Seal, Written
from harness.model.party import ModelDivergence, PartyModel, Prediction

__all__ = ["Book", "BookConflict", "ModelDivergence", "Opening", "PartyModel", "Prediction", "Seal", "Written"]
