"""The documented networks written in other formats, so that their runtimes can be judged."""
