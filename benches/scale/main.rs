//! How fast and how lean the daemon is: a release daemon as a process of its own, against
//! `trueup sandbox --no-daemon`, another one, at 100, 1,000 and 10,000 objects; of each seven, five
//! functions, a table and a bucket. Prints tables; asserts nothing about time.
//!
//! `cargo bench`; `BENCH_SIZES=70` for a small run; `BENCH_TERRAFORM=0` to leave Terraform out.

mod fleet;
mod process;
mod terraform;

use std::time::{Duration, Instant};

use fleet::{Fleet, Objects};
use process::Usage;

/// What one size came to.
struct Row {
    objects: Objects,
    first_convergence: Duration,
    first_usage: Usage,
    pass: Duration,
    pass_cpu: Duration,
    calls: Vec<(String, u64)>,
    repair: Duration,
    first_write: Duration,
    rss_mib: u64,
    ready_after_restart: Duration,
}

fn measure(total: u64) -> Row {
    let objects = Objects::of(total);
    let mut fleet = Fleet::new(objects);
    let begun = Instant::now();
    fleet.apply();
    eprintln!("{total}: applied after {:.1} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    fleet.start();
    fleet.until_ready();
    let first_convergence = begun.elapsed();
    let first_usage = fleet.usage();
    eprintln!("{total}: converged after {:.1} s", first_convergence.as_secs_f64());
    // The first pass after everything is made warms up; the next is measured.
    fleet.pass();
    let (calls_before, cpu_before) = (fleet.aws_calls(), fleet.usage().cpu);
    let pass = fleet.pass();
    let pass_cpu = fleet.usage().cpu - cpu_before;
    let calls = difference(&calls_before, &fleet.aws_calls());
    let repair = fleet.repair();
    let first_write = fleet.first_write_after_apply();
    let rss_mib = fleet.usage().peak_rss_mib;
    let ready_after_restart = fleet.restart();
    Row {
        objects,
        first_convergence,
        first_usage,
        pass,
        pass_cpu,
        calls,
        repair,
        first_write,
        rss_mib: rss_mib.max(fleet.usage().peak_rss_mib),
        ready_after_restart,
    }
}

fn difference(before: &[(String, u64)], after: &[(String, u64)]) -> Vec<(String, u64)> {
    let of = |name: &str| before.iter().find(|(n, _)| n == name).map_or(0, |(_, count)| *count);
    let grown = after.iter().map(|(name, count)| (name.clone(), count - of(name)));
    grown.filter(|(_, count)| *count > 0).collect()
}

fn print(rows: &[Row]) {
    let seconds = |d: Duration| format!("{:.2} s", d.as_secs_f64());
    let line = |name: &str, cell: &dyn Fn(&Row) -> String| {
        let cells: Vec<_> = rows.iter().map(cell).collect();
        println!("| {name} | {} |", cells.join(" | "));
    };
    println!();
    line("objects", &|r| r.objects.total().to_string());
    println!("|---|{}", "---:|".repeat(rows.len()));
    line("first convergence", &|r| seconds(r.first_convergence));
    line("CPU of the daemon until then", &|r| seconds(r.first_usage.cpu));
    line("no-op pass, wall", &|r| seconds(r.pass));
    line("no-op pass, CPU of the daemon", &|r| seconds(r.pass_cpu));
    line("from `reconcile` to the repair of a drift", &|r| seconds(r.repair));
    line("from the end of an apply to the first AWS write", &|r| seconds(r.first_write));
    line("peak RSS of the daemon", &|r| format!("{} MiB", r.rss_mib));
    line("from start to ready", &|r| seconds(r.ready_after_restart));
    let resources = |r: &Row, service: &str| match service {
        "lambda" => r.objects.functions,
        "dynamodb" => r.objects.tables,
        _ => r.objects.buckets,
    };
    let mut operations: Vec<_> =
        rows.iter().flat_map(|r| r.calls.iter().map(|(name, _)| name.clone())).collect();
    operations.sort();
    operations.dedup();
    for operation in operations {
        let service = operation.split(':').next().unwrap_or_default().to_owned();
        line(&format!("calls of a no-op pass: {operation}"), &|r| {
            let count = r.calls.iter().find(|(n, _)| *n == operation).map_or(0, |(_, c)| *c);
            let each = count as f64 / resources(r, &service) as f64;
            format!("{count} ({each:.2} each)")
        });
    }
}

fn print_plans(plans: &[terraform::Plan], rows: &[Row]) {
    if plans.is_empty() {
        return println!("\nterraform plan: not measured");
    }
    println!(
        "\n| observing everything | objects | wall | CPU | peak RSS |\n|---|---:|---:|---:|---:|"
    );
    let line = |name: &str, objects: Objects, wall: Duration, cpu: Duration, rss: u64| {
        let (wall, cpu) = (wall.as_secs_f64(), cpu.as_secs_f64());
        println!("| {name} | {} | {wall:.2} s | {cpu:.2} s | {rss} MiB |", objects.total());
    };
    for plan in plans {
        line("terraform plan", plan.objects, plan.wall, plan.cpu, plan.peak_rss_mib);
        for row in rows.iter().filter(|row| row.objects.total() == plan.objects.total()) {
            line("trueup, a no-op pass", row.objects, row.pass, row.pass_cpu, row.rss_mib);
        }
    }
}

fn main() {
    let sizes = std::env::var("BENCH_SIZES").unwrap_or_else(|_| "100,1000,10000".to_owned());
    let sizes: Vec<u64> = sizes.split(',').filter_map(|size| size.trim().parse().ok()).collect();
    let rows: Vec<_> = sizes.iter().map(|size| measure(*size)).collect();
    print(&rows);
    if std::env::var("BENCH_TERRAFORM").as_deref() != Ok("0") {
        // Terraform takes minutes to make what it is then measured on; at 10,000 it would be hours.
        let plans = sizes
            .iter()
            .filter(|size| **size <= 1000)
            .filter_map(|s| terraform::plan(Objects::of(*s)));
        print_plans(&plans.collect::<Vec<_>>(), &rows);
    }
}
