//! `examples/your-cni` and the pages that show it.
const EXAMPLE: &str = include_str!("../../examples/your-cni/tests/network.rs");
const PAGES: [&str; 2] = [
    include_str!("../../docs/library.md"),
    include_str!("../../README.md"),
];

#[test]
fn pages_show_the_example_as_it_is_in_under_thirty_lines() {
    let shown = format!("```rust\n{EXAMPLE}```\n");
    assert!(PAGES.iter().all(|page| page.contains(&shown)));
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
