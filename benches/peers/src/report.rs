//! A table on the terminal.

use crate::rounds::Timed;

pub fn print(timed: &Timed) {
    let Timed { name, case, bytes, added, rows } = timed;
    let what = if *added { ", added over the first" } else { "" };
    println!("\n{name}, {case}, {bytes} bytes{what}");
    println!(
        "  {:<44} {:>9} {:>7} {:>15} {:>8} {:>6}",
        "",
        "ns",
        "x floor",
        "(10 % - 90 %)",
        if *added { "" } else { "x ours" },
        "alloc"
    );
    for row in rows {
        let label = row.case.split_once(": ").map_or(&*row.case, |(_, label)| label);
        println!(
            "  {label:<44} {:>9.0} {:>7.2} {:>15} {:>8} {:>6}",
            row.ns,
            row.floor_ratio,
            format!("({:.2} - {:.2})", row.spread.0, row.spread.1),
            if *added { String::new() } else { format!("{:.2}", row.to_ours) },
            row.allocations
        );
    }
}
