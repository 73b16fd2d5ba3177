namespace Cocoon.Enclave.Inference.LlamaCpp.Scheduling;

/// <summary>Waiting requests, served so that each tenant gets an equal share of tokens (start-time fair queueing).</summary>
/// <remarks>A tenant's next request starts where its last one ended in virtual time, so a burst of one does not delay the first of another.</remarks>
internal sealed class FairQueue
{
    private const int MaxRememberedTenants = 1024;

    private readonly List<GenerationJob> _jobs = [];
    private readonly Dictionary<TenantKey, long> _finishTags = [];
    private long _virtualTime;

    public int Count => _jobs.Count;

    /// <summary>Of all that wait.</summary>
    public int PromptTokens => _jobs.Sum(static j => j.Prompt.Length);

    public void Add(GenerationJob job)
    {
        if (_finishTags.Count >= MaxRememberedTenants)
        {
            foreach ((TenantKey tenant, long tag) in _finishTags)
            {
                if (tag <= _virtualTime)
                {
                    _finishTags.Remove(tenant);
                }
            }

            if (_finishTags.Count >= MaxRememberedTenants)
            {
                _finishTags.Clear();
            }
        }

        long last = _finishTags.GetValueOrDefault(job.Request.Tenant, long.MinValue);
        job.StartTag = Math.Max(_virtualTime, last);
        _finishTags[job.Request.Tenant] = job.StartTag + job.Cost;
        _jobs.Add(job);
    }

    /// <summary>The next request to serve; among equals the one that came first.</summary>
    public GenerationJob? Peek()
    {
        GenerationJob? next = null;
        foreach (GenerationJob job in _jobs)
        {
            if (next is null || job.StartTag < next.StartTag)
            {
                next = job;
            }
        }

        return next;
    }

    public void Take(GenerationJob job)
    {
        _jobs.Remove(job);
        _virtualTime = Math.Max(_virtualTime, job.StartTag);
    }

    /// <summary>Takes out a request that no longer wants to be served.</summary>
    public GenerationJob? TakeCancelled()
    {
        int index = _jobs.FindIndex(static j => j.Cancelled);
        if (index < 0)
        {
            return null;
        }

        GenerationJob job = _jobs[index];
        _jobs.RemoveAt(index);
        return job;
    }

    public List<GenerationJob> TakeAll()
    {
        List<GenerationJob> all = [.. _jobs];
        _jobs.Clear();
        return all;
    }
}
