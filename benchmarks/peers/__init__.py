"""The peer table: reference.predict beside every framework that is installed, measured in one run on one machine.

python -m benchmarks.peers --help
"""
