"""Who answers the questions of the vectors: either engine, or the harness's own codec."""
