//! Evidence as the causes get it, and what they make of it.
