//! A smoke run of the fuzz targets on random and mutated inputs; the same functions run under libFuzzer for longer.

use anyhow::Result;

/// Feeds every target `inputs` inputs.
pub(crate) fn smoke(inputs: u64) -> Result<()> {
    crate::test::cargo(
        &["run", "--quiet", "--locked", "--package", "holdfast-fuzz", "--", "--inputs", &inputs.to_string()],
        &[],
    )
}
