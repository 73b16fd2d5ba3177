namespace Cocoon.Node.Cli.Rendering;

internal enum OutputFormat
{
    Table = 0,
    Json = 1,
    Jsonl = 2,
    Csv = 3,
}
