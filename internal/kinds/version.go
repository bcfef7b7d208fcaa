package kinds

// KubernetesVersion names the release whose kinds these are, and whose behaviour the program
// follows.
const KubernetesVersion = "v1.37.2"
