//! stillhouse
