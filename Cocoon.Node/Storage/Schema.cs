namespace Cocoon.Node.Storage;

/// <summary>The database's schema as a list of steps; a database's <c>user_version</c> is the number of steps it has seen.</summary>
/// <remarks>Steps are only ever appended. Amounts are nanoTON below 2^63; hashes, keys and account ids are blobs of 32 bytes; times are Unix seconds.</remarks>
internal static class Schema
{
    /// <summary>"CCPN": tells our file from another program's database.</summary>
    private const int ApplicationId = 0x4343504e;

    public static IReadOnlyList<string> Migrations { get; } =
    [
        """
        CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

        -- Money we pay: channels this node opened as a client.
        CREATE TABLE client_channel (
            channel       BLOB PRIMARY KEY,
            peer          TEXT NOT NULL,
            payout        TEXT NOT NULL,
            provider_key  BLOB NOT NULL,
            code_hash     BLOB NOT NULL,
            pay_key       BLOB NOT NULL,
            client        TEXT NOT NULL,
            challenge     INTEGER NOT NULL,
            open_before   INTEGER NOT NULL,
            expires_at    INTEGER NOT NULL,
            global_id     INTEGER NOT NULL,
            salt          INTEGER NOT NULL,
            deposit       INTEGER NOT NULL,
            state         TEXT NOT NULL,
            highest_total INTEGER NOT NULL DEFAULT 0,
            nonce         INTEGER NOT NULL DEFAULT 0,
            due           INTEGER NOT NULL DEFAULT 0,
            claimed       INTEGER NOT NULL DEFAULT 0,
            close_at      INTEGER NOT NULL DEFAULT 0,
            close_total   INTEGER,
            close_ack     BLOB,
            fees          INTEGER NOT NULL DEFAULT 0,
            opened_at     INTEGER NOT NULL DEFAULT 0,
            settle_tx     TEXT,
            created_at    INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX client_channel_peer ON client_channel (peer, state);
        CREATE TABLE client_spend (day INTEGER PRIMARY KEY, nanoton INTEGER NOT NULL);

        -- Money we are paid: the highest voucher per channel.
        CREATE TABLE provider_channel (
            channel        BLOB PRIMARY KEY,
            terms          BLOB NOT NULL,
            expires_at     INTEGER NOT NULL,
            total          INTEGER NOT NULL DEFAULT 0,
            nonce          INTEGER NOT NULL DEFAULT 0,
            signature      BLOB,
            grant_data     BLOB,
            grant_sig      BLOB,
            vouchers       INTEGER NOT NULL DEFAULT 0,
            due            INTEGER NOT NULL DEFAULT 0,
            claimed        INTEGER NOT NULL DEFAULT 0,
            balance        INTEGER NOT NULL DEFAULT 0,
            close_at       INTEGER NOT NULL DEFAULT 0,
            closing        INTEGER NOT NULL DEFAULT 0,
            ack_total      INTEGER,
            ack_at         INTEGER NOT NULL DEFAULT 0,
            gone           INTEGER NOT NULL DEFAULT 0,
            claim_queued   INTEGER NOT NULL DEFAULT 0,
            verified_at    INTEGER NOT NULL,
            created_at     INTEGER NOT NULL
        ) WITHOUT ROWID;
        """,
        """
        -- Messages that a wallet shall send, each under the name of its intention, and the one signed external under way.
        CREATE TABLE outbox (
            id              INTEGER PRIMARY KEY AUTOINCREMENT,
            wallet          TEXT NOT NULL,
            key             TEXT NOT NULL,
            message         BLOB NOT NULL,
            mode            INTEGER NOT NULL,
            place           INTEGER NOT NULL DEFAULT 0,
            state           TEXT NOT NULL DEFAULT 'waiting',
            result          TEXT,
            words           TEXT,
            wallet_lt       INTEGER,
            wallet_hash     BLOB,
            receiver_lt     INTEGER,
            receiver_hash   BLOB,
            value           INTEGER NOT NULL DEFAULT 0,
            forward_fee     INTEGER NOT NULL DEFAULT 0,
            wallet_fees     INTEGER NOT NULL DEFAULT 0,
            wallet_exit     INTEGER,
            skipped         INTEGER NOT NULL DEFAULT 0,
            receiver_exit   INTEGER,
            receiver_action INTEGER,
            bounced         INTEGER NOT NULL DEFAULT 0,
            UNIQUE (wallet, key)
        );
        CREATE INDEX outbox_state ON outbox (wallet, state, id);
        CREATE TABLE outbox_flight (
            wallet      TEXT PRIMARY KEY,
            boc         BLOB NOT NULL,
            hash        BLOB NOT NULL,
            seqno       INTEGER NOT NULL,
            valid_until INTEGER NOT NULL,
            last_lt     INTEGER NOT NULL,
            last_hash   BLOB NOT NULL
        ) WITHOUT ROWID;
        """,
        """
        ALTER TABLE outbox_flight ADD COLUMN earlier BLOB NOT NULL DEFAULT x'';
        """,
        """
        -- Openings by the owner's own command, and what each application key spent. A key is stored as a digest.
        ALTER TABLE client_channel ADD COLUMN attended INTEGER NOT NULL DEFAULT 0;
        CREATE TABLE client_key_spend (day INTEGER NOT NULL, key TEXT NOT NULL, nanoton INTEGER NOT NULL, PRIMARY KEY (day, key)) WITHOUT ROWID;
        """,
        """
        -- Keys of applications: SHA-256 of each secret, limits and what was spent. A null limit is none.
        CREATE TABLE api_key (
            id          TEXT PRIMARY KEY,
            name        TEXT NOT NULL UNIQUE,
            hash        BLOB NOT NULL UNIQUE,
            tiers       TEXT NOT NULL,
            limit_total INTEGER,
            limit_day   INTEGER,
            spent       INTEGER NOT NULL DEFAULT 0,
            day         INTEGER NOT NULL,
            spent_day   INTEGER NOT NULL DEFAULT 0,
            requests    INTEGER NOT NULL DEFAULT 0,
            created_at  INTEGER NOT NULL
        ) WITHOUT ROWID;
        """,
        """
        -- What a provider may truthfully say is owed to it, and how much of what is owed rests on its word alone.
        ALTER TABLE client_channel ADD COLUMN may_owe INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE client_channel ADD COLUMN unconfirmed INTEGER NOT NULL DEFAULT 0;
        UPDATE client_channel SET may_owe = max(highest_total, due);
        """,
        """
        -- Externals that a wallet refused and that are taken for expired: looked for before their request is signed again. Of requests given up
        -- before this they are not known, so those are not repeated.
        ALTER TABLE outbox ADD COLUMN refused BLOB;
        ALTER TABLE outbox ADD COLUMN refused_seqno INTEGER;
        ALTER TABLE outbox ADD COLUMN refused_lt INTEGER;
        ALTER TABLE outbox ADD COLUMN refused_hash BLOB;
        UPDATE outbox SET result = 'Refused' WHERE result = 'NotSent' AND wallet_lt IS NULL AND words LIKE 'not sent: the wallet refuses%';
        """,
    ];

    /// <exception cref="StorageException">Another program's file, or a newer version's.</exception>
    public static void Migrate(DatabaseSession session, IReadOnlyList<string> migrations)
    {
        long application = session.QueryFirst("PRAGMA application_id", row => row.GetInt64(0));
        long version = session.QueryFirst("PRAGMA user_version", row => row.GetInt64(0));
        bool empty = session.QueryFirst("SELECT count(*) FROM sqlite_schema", row => row.GetInt64(0)) == 0;
        if (!(empty && version == 0) && application != ApplicationId)
        {
            throw new StorageException(StorageErrorCode.Foreign, "The database belongs to another program.");
        }

        if (version > migrations.Count)
        {
            throw new StorageException(
                StorageErrorCode.NewerSchema, $"The database has schema {version}, this version of Cocoon knows {migrations.Count}: use the newer version.");
        }

        for (int step = (int)version; step < migrations.Count; step++)
        {
            session.ExecuteScript(
                $"BEGIN IMMEDIATE; {migrations[step]}; PRAGMA application_id={ApplicationId}; PRAGMA user_version={step + 1}; COMMIT;");
        }
    }
}
