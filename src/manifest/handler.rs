//! Whether a function's handler is in its code, as far as file names tell.
//!
//! Source: AWS Lambda's developer guide, "Define Lambda function handler" in Node.js, Python and Ruby: the text
//! before the last dots is a file's path without its extension. Other runtimes name classes or programs, of which
//! file names say nothing.

use std::fs::File;
use std::path::Path;

use zip::ZipArchive;

use super::package::UNPACKED_BYTES_MAX;

/// The files of which one must be in the code; none where that is not known.
fn candidates(runtime: &str, handler: &str) -> Vec<String> {
    // A layer's handler begins with /opt.
    let Some((module, _)) = handler.rsplit_once('.').filter(|_| !handler.starts_with('/')) else {
        return Vec::new();
    };
    if runtime.starts_with("nodejs") {
        // `a/b.c.handler` is the export `c.handler` of the file `b`.
        let (folder, file) = module.rsplit_once('/').map_or(("", module), |(d, f)| (d, f));
        let file = file.split('.').next().unwrap_or(file);
        let stem = if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
        return ["js", "mjs", "cjs"].map(|extension| format!("{stem}.{extension}")).into();
    }
    if runtime.starts_with("python") {
        let stem = module.replace('.', "/");
        let package = format!("{stem}/__init__.py");
        return vec![format!("{stem}.py"), package, format!("{stem}.pyc"), format!("{stem}.so")];
    }
    if runtime.starts_with("ruby") {
        // `file.Module.method` has a class between.
        let file = module.split('.').next().unwrap_or(module);
        return vec![format!("{file}.rb")];
    }
    Vec::new()
}

/// The file that the handler is expected in, where the code is there and has no such file. What cannot be read is
/// no reason for a warning: packaging says what is wrong with it.
pub(super) fn missing(runtime: &str, handler: &str, code: &Path) -> Option<String> {
    let candidates = candidates(runtime, handler);
    let first = candidates.first()?.clone();
    let has = if code.is_dir() {
        candidates.iter().any(|file| code.join(file).is_file())
    } else {
        // A pipe that nobody writes to is never opened.
        let file =
            Some(code).filter(|code| code.is_file()).and_then(|code| File::open(code).ok())?;
        // What is too large is not searched for its end.
        file.metadata().ok().filter(|metadata| metadata.len() <= UNPACKED_BYTES_MAX)?;
        let archive = ZipArchive::new(file).ok()?;
        candidates.iter().any(|file| archive.index_for_name(file).is_some())
    };
    (!has).then_some(first)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_handler_is_looked_up_as_its_runtime_does() {
        let root = tempfile::tempdir().unwrap();
        for file in ["main.mjs", "src/app.js", "api/orders.py", "tool/__init__.py", "job.rb"] {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        for (runtime, handler, expected) in [
            ("nodejs22.x", "main.handler", None),
            ("nodejs22.x", "src/app.v1.handler", None),
            ("nodejs22.x", "index.handler", Some("index.js")),
            ("nodejs22.x", "src/index.handler", Some("src/index.js")),
            ("nodejs22.x", "/opt/nodejs/wrapper.handler", None),
            ("python3.13", "api.orders.handler", None),
            ("python3.13", "api/orders.handler", None),
            ("python3.13", "tool.handler", None),
            ("python3.13", "app.handler", Some("app.py")),
            ("ruby3.4", "job.Daily.run", None),
            ("ruby3.4", "app.run", Some("app.rb")),
            ("java21", "com.example.App::handle", None),
            ("provided.al2023", "bootstrap", None),
        ] {
            let found = missing(runtime, handler, root.path());
            assert_eq!(found.as_deref(), expected, "{runtime} {handler}");
        }
    }

    #[test]
    fn a_zip_is_looked_into() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut zip = zip::ZipWriter::new(file.reopen().unwrap());
        zip.start_file("main.js", zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(b"").unwrap();
        zip.finish().unwrap();
        assert_eq!(missing("nodejs22.x", "main.handler", file.path()), None);
        let other = missing("nodejs22.x", "index.handler", file.path());
        assert_eq!(other.as_deref(), Some("index.js"));
        assert_eq!(missing("nodejs22.x", "main.handler", Path::new("/no/such/path")), None);
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.zip");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(missing("nodejs22.x", "main.handler", &pipe), None, "it would wait for ever");
    }
}
