using Cocoon.Protocol.Ton.Cells;

namespace Cocoon.Protocol.Ton.Messages;

/// <summary>A structure with a TL-B layout.</summary>
internal interface ICellContent
{
    void StoreTo(CellBuilder builder);
}

internal static class CellContentExtensions
{
    /// <summary>The structure in a cell of its own.</summary>
    public static Cell ToCell<T>(this T content)
        where T : ICellContent
    {
        CellBuilder builder = new();
        content.StoreTo(builder);
        return builder.Build();
    }
}
