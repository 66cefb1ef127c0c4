//! Tables of the documentation that are made of catalogues.
use std::path::Path;

/// Fails unless what stands between `<!-- NAME -->` and `<!-- /NAME -->` in a page of `docs/` is this table. `FLATNET_REGENERATE=1`
/// writes it instead.
#[track_caller]
pub(crate) fn has_table(page: &str, name: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(page);
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let text = std::fs::read_to_string(&path).expect("the page");
    let (before, rest) = text.split_once(&start).expect("the table's beginning");
    let (table, after) = rest.split_once(&end).expect("the table's end");
    if std::env::var_os("FLATNET_REGENERATE").is_some() {
        let new = format!("{before}{start}{wanted}{end}{after}");
        std::fs::write(&path, new).expect("the page can be written");
    } else {
        assert_eq!(table, wanted, "`make docs` writes it");
    }
}
