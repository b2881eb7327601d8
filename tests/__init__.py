"""Tests of Otterproof itself: scenarios judge an implementation, tests judge Otterproof."""
