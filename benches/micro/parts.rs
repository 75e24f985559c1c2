//! `cargo bench -p latchkey-benches`: the pure parts one by one, with criterion's own options and reports.

use criterion::Criterion;
use latchkey_benches::micro::Case;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    match Case::all() {
        Ok(cases) => {
            for case in cases {
                criterion.bench_function(case.name, |bencher| bencher.iter(|| (case.run)()));
            }
        }
        Err(error) => eprintln!("parts: {error:#}"),
    }
    criterion.final_summary();
}
