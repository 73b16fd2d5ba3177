using Cocoon.Node.Payments;

namespace Cocoon.Node.Sessions;

/// <summary>A payment that was not made, as a request's failure: the one place where payment codes become what, why and fix.</summary>
internal static class PaymentFailures
{
    public static InferenceException From(PaymentException exception)
    {
        (InferenceFailure failure, string what, string fix) = exception.Code switch
        {
            PaymentErrorCode.Funds => (InferenceFailure.NoFunds, "there is not enough money", MoneyWords.Of(exception).Fix!),
            PaymentErrorCode.Limit => (InferenceFailure.SpendLimit, "a spend limit was reached", "Wait, or raise the limit of this client."),
            PaymentErrorCode.Busy => (InferenceFailure.Overloaded, "too many requests at a time to one provider", "Ask again when one of them has ended."),
            PaymentErrorCode.Chain => (InferenceFailure.ChainUnavailable, "the chain did not do its part", "See 'cocoon status'; open channels go on working meanwhile."),
            PaymentErrorCode.Terms => (InferenceFailure.Declined, "the provider's payment terms are not acceptable", "Use another provider ('cocoon offers')."),
            PaymentErrorCode.Wallet => (InferenceFailure.NoFunds, "the wallet cannot pay", "See 'cocoon wallet'."),
            _ => (InferenceFailure.Declined, "the provider's books differ from ours", "See 'cocoon channels'."),
        };
        return new InferenceException(failure, what, exception.Message.TrimEnd('.'), fix, exception)
        {
            // An open channel to somebody else goes on when no further one may be opened.
            TryAnother = exception.Code is PaymentErrorCode.Terms or PaymentErrorCode.Limit or PaymentErrorCode.Busy or PaymentErrorCode.Provider or PaymentErrorCode.State,
        };
    }
}
