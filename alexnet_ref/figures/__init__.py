"""The pages that read along with the two documents: pictures and numbers from trained networks, run by the oracle.

`alexnet-ref figures --run DIR --run DIR` draws them and writes the pages. Importing this imports no framework.
"""
