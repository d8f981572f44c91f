//! A version tried in a process of its own before it may enter this one.
