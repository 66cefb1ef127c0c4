//! A mend that boots a lab again boots the same one.
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use flatnet_lab::{Lab, LabSpec};
use flatnet_model::cause::CauseId;

use crate::first;
use crate::ground::{SLEEPER, flatnet, pod};

/// Deleted with the test.
struct Kept(String);

impl Kept {
    fn spec(&self) -> LabSpec {
        let lab = Lab::connect(&self.0).expect("the lab");
        lab.info().expect("what it was made from").spec
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if let Ok(lab) = Lab::connect(&self.0) {
            // A test that fails has more to say than a lab that does not end.
            let _ = lab.shutdown();
        }
    }
}

#[test]
fn the_lab_that_a_mend_boots_is_the_one_it_ends() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(
        dir.path().join("pods.yaml"),
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec: {{nodeName: node2, {SLEEPER}}}\n"),
    )
    .expect("a manifest");
    let name = format!("diagnose-again-{}", std::process::id());
    let up = run(
        &format!(
            "flatnet up --name {name} --nodes 2 --underlay routed --mtu 1400 --ip-family dual --backend vxlan --manifest pods.yaml"
        ),
        dir.path(),
    );
    let kept = Kept(name);
    assert_eq!(up, 0);
    let before = kept.spec();
    let lab = Lab::connect(&kept.0).expect("the lab");
    let bad = "containers: [{name: c, image: busybox, command: [no-such-program]}]";
    lab.apply_pod(&pod("app", "node1", bad)).expect("a pod");
    let limit = Duration::from_secs(30);
    lab.wait_pod("default", "app", limit).expect("a pod");

    let said = flatnet(&["diagnose", "--cluster", &kept.0, "app", "--output", "json"]);
    let first = first::is(
        first::read(&said),
        "default/app",
        CauseId::CommandNotFound,
        &[],
    );
    let (_, mend) = first.fix().split_once("manifest: ").expect("commands");
    // In another folder: what was named from there is found from here.
    assert_eq!(run(mend, Path::new("/")), 0, "{mend}");

    let after = kept.spec();
    assert_eq!(after, before, "{mend}");
    let pods = Lab::connect(&kept.0)
        .and_then(|lab| lab.pods())
        .expect("pods");
    let names: Vec<_> = pods
        .iter()
        .filter_map(|pod| pod.metadata.name.as_deref())
        .collect();
    assert_eq!(names, ["web"]);
}

/// The exit code of a line as a person types it.
fn run(line: &str, folder: &Path) -> i32 {
    let program = Path::new(env!("CARGO_BIN_EXE_flatnet"));
    let programs = program.parent().expect("a folder").display();
    let path = std::env::var("PATH").unwrap_or_default();
    let status = Command::new("sh")
        .args(["-c", line])
        .env("PATH", format!("{programs}:{path}"))
        .current_dir(folder)
        .status();
    status.expect("a shell").code().unwrap_or_default()
}
