//! `examples/your-cni` and the page that shows it.
const EXAMPLE: &str = include_str!("../../examples/your-cni/tests/network.rs");
const PAGE: &str = include_str!("../../docs/library.md");

#[test]
fn the_page_shows_the_example_as_it_is_in_under_thirty_lines() {
    assert!(PAGE.contains(&format!("```rust\n{EXAMPLE}```\n")));
    assert!(EXAMPLE.lines().count() < 30);
}

/// Another repository sees nothing but the module that stays.
#[test]
fn the_example_uses_the_public_surface_alone() {
    let used: Vec<&str> = EXAMPLE
        .lines()
        .filter(|line| line.contains("flatnet"))
        .collect();
    let is_public =
        |line: &&str| line.contains("flatnet::testing::") || !line.contains("flatnet::");
    assert!(used.iter().all(is_public), "{used:?}");
}
