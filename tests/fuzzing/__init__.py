"""Every property as a target of fuzzers of bytes: libFuzzer by way of Atheris, OSS-Fuzz and ClusterFuzzLite."""
