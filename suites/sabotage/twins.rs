//! Two pods of one name in two namespaces are two pods.
use flatnet::config::RunArgs;

/// `web` of the namespace `blue` on node1 and `web` of `green` on node2, each with a neighbour.
pub(crate) fn args() -> RunArgs {
    let pod = |namespace: &str, name: &str, node: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  \
             nodeName: {node}\n  containers: [{{name: c, image: busybox:1.36, command: [sleep, infinity]}}]\n---\n"
        )
    };
    let manifest = [
        ("blue", "web", "node1"),
        ("green", "web", "node2"),
        ("blue", "other", "node1"),
        ("green", "another", "node2"),
    ];
    let text: String = manifest
        .map(|(ns, name, node)| pod(ns, name, node))
        .concat();
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("twins-{}.yaml", std::process::id()));
    std::fs::write(&path, text).expect("a manifest");
    let mut args = RunArgs::from_env().expect("FLATNET_* variables that fit");
    args.nodes = Some(2);
    args.manifest = Some(path);
    args
}
