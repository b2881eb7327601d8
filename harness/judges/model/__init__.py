"""The symbolic model of a conversation: it predicts every event and state, with names for keys and no cryptography.

It is a third opinion beside the two engines. A `PartyModel` follows one party, and all parties of a world share one
`NameTable`. `ModelDivergence` says where an engine departed from the prediction. party.py shows how to use the model,
and book.py how it learns of messages made by insiders.
"""

from otterproof.harness.judges.model.book import BookConflict, CommitMeaning, DataMeaning, NameTable, SignatureMeaning
from otterproof.harness.judges.model.party import ModelDivergence, PartyModel, Prediction

__all__ = [
    "BookConflict",
    "CommitMeaning",
    "DataMeaning",
    "ModelDivergence",
    "NameTable",
    "PartyModel",
    "Prediction",
    "SignatureMeaning",
]
