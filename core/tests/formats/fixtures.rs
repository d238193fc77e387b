//! Files that numpy wrote, kept here so that these tests need no Python.
