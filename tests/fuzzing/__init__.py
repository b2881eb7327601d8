"""Every property as a target for byte fuzzers: libFuzzer through Atheris, OSS-Fuzz and ClusterFuzzLite."""
