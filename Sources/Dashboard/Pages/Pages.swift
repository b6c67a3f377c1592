// Pages: the table of all pages and forms.

/// All pages and forms of the dashboard.
public enum Pages {
    /// The pages and files, by address.
    public static let routes =
        RunPages.routes + JobPages.routes + ArtifactPages.routes + DevicePages.routes
        + CostPages.routes + WorkerPages.routes + QueuePages.routes

    /// The forms, by address.
    public static let actions =
        RunPages.actions + JobPages.actions + ArtifactPages.actions + DevicePages.actions
        + CostPages.actions + WorkerPages.actions + QueuePages.actions
}
