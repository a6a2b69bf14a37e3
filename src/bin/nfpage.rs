#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    nfkit::cli::main(nfkit::tool::TABLES, nfkit::tool::nfpage::run)
}
