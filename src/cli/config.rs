//! What a team shares beside its manifests: `trueup.toml`, and `trueup config view`.
//!
//! Guarantees: a flag beats an environment variable, that beats the file, and that beats the default; a file with
//! an unknown key or value is refused with its place. Every flag has an environment variable, but those that let
//! something dangerous through: these are typed each time.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::FalseyValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, Subcommand, ValueEnum};
use serde::Deserialize;

use super::out::{Colour, say};
use super::show::{Output, table};
use super::{CliError, Home};
use crate::store::TABLE_DEFAULT;

const FILE: &str = "trueup.toml";

/// No variable sets these.
const TYPED_ALWAYS: [&str; 7] =
    ["confirm", "confirm-deletions", "even-the-newest", "help", "mend", "prune", "version"];

/// Where the SDK finds the region, too.
const REGION: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// The environment of the verbs that only read.
const ENVIRONMENT: &str = "TRUEUP_ENVIRONMENT";

/// Verbs that only read one environment: they take the one that the file names where none is given.
const READING: [&str; 4] = ["events", "get", "history", "wait"];

#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Print each setting, its value, and where that comes from.
    View,
}

/// The file's content.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Shared {
    table: Option<String>,
    region: Option<String>,
    environment: Option<String>,
    output: Option<String>,
    color: Option<String>,
}

/// The nearest `trueup.toml`: of the current folder or of one above it.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    path: Option<PathBuf>,
    shared: Shared,
}

impl Settings {
    pub(super) fn find() -> Result<Self, CliError> {
        let here = std::env::current_dir().unwrap_or_default();
        Self::find_from(&here)
    }

    fn find_from(here: &Path) -> Result<Self, CliError> {
        let Some(path) = here.ancestors().map(|dir| dir.join(FILE)).find(|path| path.is_file())
        else {
            return Ok(Self::default());
        };
        let text = std::fs::read_to_string(&path)
            .map_err(|error| CliError::io(format!("cannot read {}", path.display()), error))?;
        let wrong =
            |why: String| CliError::usage(format!("{}: {}", path.display(), why.trim_end()));
        let shared: Shared = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if let Some(output) = &shared.output {
            Output::from_str(output).map_err(|error| wrong(format!("output: {error}")))?;
        }
        if let Some(color) = &shared.color {
            let why = |_| wrong(format!("color: `{color}` is none of auto, always, never"));
            Colour::from_str(color, false).map_err(why)?;
        }
        Ok(Self { path: Some(path), shared })
    }

    /// The command line with the file's values as its defaults, and a variable for each flag.
    pub(super) fn command(&self, command: Command) -> Command {
        let with = |id: &'static str, value: &Option<String>, command: Command| match value.clone()
        {
            Some(value) => command.mut_arg(id, |arg| arg.default_value(value)),
            None => command,
        };
        let command = with("table", &self.shared.table, command);
        let command = with("color", &self.shared.color, command);
        // The variable that the SDK reads, too, beats the file.
        let command = match std::env::var_os("AWS_DEFAULT_REGION") {
            Some(_) => command,
            None => with("region", &self.shared.region, command),
        };
        command.mut_subcommands(|verb| {
            let is_reading = READING.contains(&verb.get_name());
            // All at once: an argument that is changed by itself goes to the end, and so does its place.
            verb.mut_args(|arg| match arg.get_id().as_str() {
                "environment" if is_reading => self.environment(arg),
                "output" if is_reading => match self.shared.output.clone() {
                    Some(output) => with_variable(arg).default_value(output),
                    None => with_variable(arg),
                },
                // Other verbs have other outputs: a variable that is meant for reading would break them.
                "output" => arg,
                _ => with_variable(arg),
            })
        })
    }

    fn environment(&self, arg: Arg) -> Arg {
        let arg = arg.env(ENVIRONMENT);
        match self.shared.environment.clone() {
            Some(name) => arg.default_value(name).required(false),
            None => arg,
        }
    }

    /// Where the store is, for whoever has no command line.
    pub(super) fn home(&self) -> Home {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let table = variable("TRUEUP_TABLE").or_else(|| self.shared.table.clone());
        let has_region = REGION.into_iter().any(|name| variable(name).is_some());
        Home {
            table: table.unwrap_or_else(|| TABLE_DEFAULT.to_owned()),
            region: self.shared.region.clone().filter(|_| !has_region),
            keys: None,
            builds_on_signed: false,
        }
    }

    /// `matches` are those of the command line itself.
    pub(super) fn run(&self, args: &ConfigArgs, matches: &ArgMatches) -> Result<(), CliError> {
        match args.verb {
            ConfigVerb::View => self.view(matches),
        }
    }

    fn view(&self, matches: &ArgMatches) -> Result<(), CliError> {
        let rows = self.settings().map(|setting| {
            let (value, from) = setting
                .of_flag(matches)
                .or_else(|| setting.of_variable())
                .or_else(|| self.of_file(&setting))
                .unwrap_or_else(|| (setting.default.to_owned(), "the default".to_owned()));
            vec![setting.name.to_owned(), value, from]
        });
        say!("{}", table(&["SETTING", "VALUE", "FROM"], rows.into()));
        Ok(())
    }

    fn settings(&self) -> [Setting<'_>; 5] {
        let Shared { table, region, environment, output, color } = &self.shared;
        let setting = |name, variables, shared: &'_ Option<String>, default| Setting {
            name,
            variables,
            shared: shared.clone(),
            default,
        };
        [
            setting("table", &["TRUEUP_TABLE"], table, TABLE_DEFAULT),
            setting("region", &REGION, region, "(the AWS profile's)"),
            setting("environment", &[ENVIRONMENT], environment, "(none)"),
            setting("output", &["TRUEUP_OUTPUT"], output, "table"),
            setting("color", &["TRUEUP_COLOR"], color, "auto"),
        ]
    }

    fn of_file(&self, setting: &Setting<'_>) -> Option<(String, String)> {
        let path = self.path.as_ref()?;
        setting.shared.clone().map(|value| (value, path.display().to_string()))
    }
}

/// One setting, and where it may come from. Each source gives the value and the source's name.
struct Setting<'a> {
    name: &'a str,
    variables: &'a [&'a str],
    shared: Option<String>,
    default: &'a str,
}

impl Setting<'_> {
    fn of_flag(&self, matches: &ArgMatches) -> Option<(String, String)> {
        // A setting of single verbs is no flag of this one.
        let value = matches.try_get_raw(self.name).ok()??.next()?;
        let is_given = matches.value_source(self.name) == Some(ValueSource::CommandLine);
        is_given.then(|| (value.to_string_lossy().into_owned(), format!("--{}", self.name)))
    }

    fn of_variable(&self) -> Option<(String, String)> {
        let value = |name: &&str| Some((std::env::var(name).ok()?, (*name).to_owned()));
        self.variables.iter().filter_map(value).find(|(value, _)| !value.is_empty())
    }
}

/// Gives a flag its variable: `--quota-scale` is `TRUEUP_QUOTA_SCALE`.
fn with_variable(arg: Arg) -> Arg {
    let name = match arg.get_long() {
        Some(long) if !TYPED_ALWAYS.contains(&long) => long.to_owned(),
        _ => return arg,
    };
    if arg.get_env().is_some() || arg.is_global_set() {
        return arg;
    }
    // `1` and `yes` switch a flag on, as `true` does.
    let arg = match arg.get_action() {
        ArgAction::SetTrue => arg.value_parser(FalseyValueParser::new()),
        _ => arg,
    };
    arg.env(format!("TRUEUP_{}", name.to_uppercase().replace('-', "_")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Settings, String> {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("apps/web");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(root.path().join(FILE), text).unwrap();
        Settings::find_from(&below).map_err(|error| error.to_string())
    }

    #[test]
    fn the_nearest_file_counts_and_its_mistakes_have_a_place() {
        let config = found("table = \"shop\"\noutput = \"wide\"\n").unwrap();
        assert_eq!(config.shared.table.as_deref(), Some("shop"));
        for (text, expected) in [
            ("tabel = \"shop\"\n", "unknown field `tabel`"),
            ("output = \"xml\"\n", "output: "),
            ("color = \"blue\"\n", "color: `blue` is none of auto, always, never"),
            ("table = shop\n", "line 1"),
        ] {
            let error = found(text).unwrap_err();
            assert!(error.contains("trueup.toml: ") && error.contains(expected), "{error}");
        }
    }

    #[test]
    fn no_variable_lets_something_dangerous_through() {
        let command =
            Settings::default().command(<super::super::Cli as clap::CommandFactory>::command());
        for verb in command.get_subcommands() {
            for arg in verb.get_arguments() {
                let Some(long) = arg.get_long() else { continue };
                let is_other_output = long == "output" && !READING.contains(&verb.get_name());
                let is_typed = TYPED_ALWAYS.contains(&long) || is_other_output;
                assert_eq!(arg.get_env().is_none(), is_typed, "{} --{long}", verb.get_name());
            }
        }
    }
}
