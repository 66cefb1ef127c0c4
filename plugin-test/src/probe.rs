//! What a plugin is, found by trying.
use serde::{Deserialize, Serialize};
use serde_json::Value;

use flatnet_model::cni::Version;

use crate::bench::{Added, Bed, Stop};
use crate::subject::{Kind, Recipe};
use crate::verdict::Verdict;

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Versions that VERSION lists.
    pub(crate) versions: Vec<String>,
    /// The first recipe with which ADD succeeds.
    pub(crate) recipe: Option<Recipe>,
    /// It calls the IPAM plugin that its configuration names.
    pub(crate) delegates: bool,
    /// What each recipe came to, where none works.
    pub(crate) tried: Vec<String>,
    /// VERSION does not answer: the verdict on that.
    pub(crate) version: Option<Verdict>,
}

pub(crate) fn run(mut bed: Bed, recipes: Vec<Recipe>) -> Found {
    let mut found = Found {
        versions: Vec::new(),
        recipe: None,
        delegates: false,
        tried: Vec::new(),
        version: None,
    };
    match versions(&mut bed) {
        Ok(versions) => found.versions = versions,
        Err(stop) => {
            found.version = Some(bed.verdict(Err(stop)));
            return found;
        }
    }
    let newest = found
        .versions
        .iter()
        .filter_map(|text| text.parse().ok())
        .max();
    // A version that was asked for is tried even where it is not listed.
    if bed.subject.version.is_empty() {
        bed.version = newest.unwrap_or(Version::NEWEST);
    }
    for recipe in recipes {
        let prepared = recipe.node.iter().try_for_each(|line| bed.shell(line));
        bed.subject.recipe = recipe.clone();
        let tried = prepared.and_then(|()| works(&mut bed, &recipe));
        match tried {
            Ok(true) => {
                found.delegates = bed.delegated().iter().any(|command| command == "ADD");
                found.recipe = Some(recipe);
                return found;
            }
            Ok(false) => {}
            Err(stop) => {
                found.tried.push(format!("{stop:?}"));
                return found;
            }
        }
        let how = format!("{} with {}", recipe.kind.as_str(), bed.conf());
        found.tried.push(format!("{how}: {}", bed.last_words()));
    }
    found
}

fn versions(bed: &mut Bed) -> Result<Vec<String>, Stop> {
    let request = bed.request_on_node("VERSION");
    let answer = bed.call(request)?;
    let json = answer.json().filter(|_| answer.ok());
    let list = json
        .as_ref()
        .and_then(|json| json["supportedVersions"].as_array());
    let Some(list) = list else {
        bed.fail(format!(
            "VERSION lists no supportedVersions: {}",
            answer.summary()
        ));
        return Err(Stop::Found);
    };
    Ok(list
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect())
}

/// Whether ADD succeeds, with a result as the kind of plugin has one.
fn works(bed: &mut Bed, recipe: &Recipe) -> Result<bool, Stop> {
    let pod = bed.pod()?;
    let request = bed.request("ADD", &pod);
    let answer = bed.call(request)?;
    let Some(result) = answer.json().filter(|_| answer.ok()) else {
        return Ok(false);
    };
    let interfaces = result["interfaces"].as_array().map_or(0, Vec::len);
    let ips = result["ips"].as_array().map_or(0, Vec::len) + usize::from(!result["ip4"].is_null());
    let fits = match recipe.kind {
        Kind::Interface => interfaces > 0 || ips == 0 || !result["ip4"].is_null(),
        Kind::Chained => true,
        Kind::Ipam => interfaces == 0 && ips > 0,
    };
    // Whatever was made goes, so that the next recipe finds the node as it was.
    let request = bed.request_of("DEL", &Added { pod, result });
    bed.call(request)?;
    Ok(fits)
}
