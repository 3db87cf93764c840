"""The jobs of the article that this package replaces, beside ours: python -m benchmarks.article.

``checkout/`` is what the project of the article holds: its chart, its page, the template of its Routes, and the script
of each job. Four things are corrected, without which they would not run: the chart's manifests lie in ``templates/``,
``[[! -z`` has its space, ``rollout status`` names a Deployment, and the termination of a Route is ``edge``. The image
stays in the cluster (``oc tag`` without a registry). Where the article leaves a name open, as that of the template that
a Route is restored from, a variable gives it.
"""
