using Cocoon.Node.Storage;
using Cocoon.Protocol.Ton.Cells;
using Cocoon.Protocol.Ton.LiteClient;
using Microsoft.Extensions.Logging.Abstractions;
using NUnit.Framework;

namespace Cocoon.Tests.Node.Storage;

public sealed class TrustedBlockFileTests
{
    private static BlockId Block(byte fill) => new(
        BlockId.Masterchain, BlockId.WholeShard, fill, new CellHash(Enumerable.Repeat(fill, 32).ToArray()), new CellHash(Enumerable.Repeat((byte)(fill + 1), 32).ToArray()));

    [Test]
    public void Load_AfterSave_GivesTheBlockForItsAnchorOnly()
    {
        using TemporaryDirectory directory = new();
        string path = Path.Combine(directory.Path, "trusted-block.json");
        TrustedBlockFile file = new(path, NullLogger<TrustedBlockFile>.Instance);
        Assert.That(file.Load(Block(1)), Is.Null);
        file.Save(Block(1), Block(9));
        Assert.That((file.Load(Block(1)), file.Load(Block(2))), Is.EqualTo(((BlockId?)Block(9), (BlockId?)null)));
        File.WriteAllText(path, "{\"Anchor\":7}");
        Assert.That(file.Load(Block(1)), Is.Null, "a damaged file costs time, not trust");
    }

    [Test]
    public void Save_WhereNothingCanBeWritten_LosesOnlyTime()
    {
        using TemporaryDirectory directory = new();
        TrustedBlockFile file = new(Path.Combine(directory.Path, "absent", "trusted-block.json"), NullLogger<TrustedBlockFile>.Instance);
        Assert.That(() => file.Save(Block(1), Block(9)), Throws.Nothing);
    }
}
