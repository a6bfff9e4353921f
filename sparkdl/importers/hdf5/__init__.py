"""A reader of HDF5 files in pure Python, made for files that nobody vouches for.

Every address, count and size is checked against the file before it is used, and the work done for one file is
bounded. It reads what h5py and the HDF5 library write for models: groups of both kinds, attributes, contiguous,
compact and chunked arrays of numbers and strings, with the deflate, shuffle and Fletcher-32 filters.
Source: HDF5 File Format Specification, version 3.0.
"""

from sparkdl.importers.hdf5.file import Hdf5
from sparkdl.importers.hdf5.group import Dataset, Group

__all__ = ["Dataset", "Group", "Hdf5"]
