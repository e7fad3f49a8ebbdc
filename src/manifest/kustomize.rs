//! What kustomize builds, with the place that each document comes from.
//!
//! Guarantees: a relative path in what is built is relative to the manifest that says it: the file of the
//! base, or the kustomization whose patch has put it there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::{Source, SourceError};

/// The tools that build kustomizations, and how.
const TOOLS: [(&str, &[&str]); 2] = [("kubectl", &["kustomize"]), ("kustomize", &["build"])];

/// The annotation by which kustomize says where a document comes from:
/// <https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/buildmetadata/>.
const ORIGIN: &str = "config.kubernetes.io/origin:";

/// Builds through a kustomization of our own that asks for the origins; one source a document. `None` where
/// that cannot be built.
pub(super) fn with_origins(directory: &Path) -> Result<Option<Vec<Source>>, SourceError> {
    let failed = |source| SourceError::Unreadable { path: directory.display().to_string(), source };
    let Ok(target) = directory.canonicalize() else { return Ok(None) };
    let wrapper = tempfile::tempdir().map_err(failed)?;
    let root = wrapper.path().canonicalize().map_err(failed)?;
    // kustomize takes no absolute paths.
    let up: PathBuf = root.components().skip(1).map(|_| "..").collect();
    let resource = up.join(target.strip_prefix("/").unwrap_or(&target));
    let text = format!(
        "resources: [{:?}]\nbuildMetadata: [originAnnotations]\n",
        resource.display().to_string()
    );
    std::fs::write(root.join("kustomization.yaml"), text).map_err(failed)?;
    let (tool, output) = build(&root)?;
    let (true, Ok(text)) = (output.status.success(), String::from_utf8(output.stdout)) else {
        return Ok(None);
    };
    let name = format!("<{tool} {}>", directory.display());
    let document = |text: &str| document(&name, text, &root, directory);
    Ok(Some(text.split("\n---\n").map(document).collect()))
}

/// Builds a kustomization as it is.
pub(super) fn plain(directory: &Path) -> Result<Source, SourceError> {
    let (tool, output) = build(directory)?;
    let command = format!("{tool} {}", directory.display());
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(SourceError::Kustomize { command, message });
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(Source { name: format!("<{command}>"), text, directory: directory.to_owned() })
}

/// The tool that was found, with its arguments, and what it printed.
fn build(directory: &Path) -> Result<(String, Output), SourceError> {
    for (tool, arguments) in TOOLS {
        match Command::new(tool).args(arguments).arg(directory).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => {
                return Err(SourceError::Unreadable { path: tool.to_owned(), source });
            }
            Ok(output) => return Ok((format!("{tool} {}", arguments.join(" ")), output)),
        }
    }
    Err(SourceError::NoKustomize)
}

/// One document without its origin, which says what its paths are relative to.
fn document(name: &str, text: &str, root: &Path, kustomization: &Path) -> Source {
    let (text, origin) = without_origin(text);
    let file = origin.and_then(|origin| root.join(origin).canonicalize().ok());
    let said_there = file.as_deref().filter(|file| says_its_path(file, &text));
    let directory = said_there.and_then(Path::parent).unwrap_or(kustomization).to_owned();
    Source { name: name.to_owned(), text, directory }
}

/// The document as if nobody had asked for its origin, and the file that it comes from.
fn without_origin(text: &str) -> (String, Option<String>) {
    let mut kept: Vec<&str> = Vec::new();
    let mut origin = None;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.trim_start().starts_with(ORIGIN) {
            kept.push(line);
            continue;
        }
        let indent = |line: &str| line.len() - line.trim_start().len();
        while let Some(below) = lines.next_if(|below| indent(below) > indent(line)) {
            origin = origin.or(below.trim().strip_prefix("path: ").map(str::to_owned));
        }
        // It may have been the only annotation.
        let is_alone = lines.peek().is_none_or(|next| indent(next) < indent(line));
        if is_alone && kept.last().is_some_and(|before| before.trim() == "annotations:") {
            kept.pop();
        }
    }
    (kept.join("\n") + "\n", origin)
}

/// Whether a file has the path that a built document gives for its code; one that a patch changed is not
/// there.
fn says_its_path(file: &Path, document: &str) -> bool {
    let path = document.lines().find_map(|line| line.trim().strip_prefix("path: "));
    let Ok(text) = std::fs::read_to_string(file) else { return false };
    path.is_none_or(|path| text.contains(path.trim_matches(['"', '\''])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_leaves_no_trace() {
        let built = "kind: Function\nmetadata:\n  annotations:\n    config.kubernetes.io/origin: |\n      path: ../base/api.yaml\n  name: api\nspec: {}\n";
        let (text, origin) = without_origin(built);
        assert_eq!(text, "kind: Function\nmetadata:\n  name: api\nspec: {}\n");
        assert_eq!(origin.as_deref(), Some("../base/api.yaml"));
        let others = built.replace("  name: api", "    trueup.dev/adopt: \"true\"\n  name: api");
        assert!(without_origin(&others).0.contains("  annotations:\n    trueup.dev/adopt"));
        assert_eq!(without_origin("a: 1\n"), ("a: 1\n".to_owned(), None));
    }
}
